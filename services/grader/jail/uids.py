"""Which users jails run as outside.

One of their own each where we are root, ours where we are not.
"""

import os


class Uids:
    """Outside user ids, each lent to one live jail at a time.

    What the kernel counts per user, it counts per jail.

    Args:
        first: The first id that is lent.
        count: How many there are.
        own: Our own user; root lends others, anybody else has only this one for all jails.
    """

    def __init__(self, *, first: int, count: int, own: int | None = None) -> None:
        user = os.geteuid() if own is None else own
        self._own = None if user == 0 else (user, os.getegid())
        self._free = list(range(first + count - 1, first - 1, -1))

    def take(self) -> tuple[int, int]:
        """A user and a group id for one jail, to be given back when nothing of it is left.

        There are as many as there may be jails, so there is always one.
        """
        if self._own is not None:
            return self._own
        uid = self._free.pop()
        return uid, uid

    def give_back(self, ids: tuple[int, int]) -> None:
        """Take the ids of a jail that is over."""
        if self._own is None:
            self._free.append(ids[0])
