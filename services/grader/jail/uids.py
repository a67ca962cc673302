"""Which users jails run as outside.

One of their own each where we are root, ours where we are not.
"""

import os


class Uids:
    """Outside user ids, each lent to one live jail at a time.

    What the kernel counts per user, it counts per jail.
    """

    def __init__(self, *, first: int, count: int) -> None:
        self._own = None if os.geteuid() == 0 else (os.geteuid(), os.getegid())
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
