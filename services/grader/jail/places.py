"""Places for jails: how many there may be, and who is next when there are no more."""

from collections import Counter
from collections.abc import Set as AbstractSet

from servicekit.turns import Line


def kept_of(count: int) -> int:
    """How many of `count` places are kept for teams that have none: a quarter, at least one."""
    return max(1, count // 4)


class Places:
    """At most `count` places, of which a team that has one already cannot take the last `kept`.

    Teams that wait take turns.
    """

    def __init__(self, count: int, *, kept: int) -> None:
        self._count = count
        self._kept = kept
        self._held: Counter[str] = Counter()
        self._line = Line()

    async def take(self, team: str) -> None:
        """Wait for a place; `give_back` ends it."""
        if self.admits(team):
            self._held[team] += 1
        else:
            await self._line.wait(team, undo=lambda: self.give_back(team))

    def give_back(self, team: str) -> None:
        """Give a place of this team to those who wait."""
        self._held[team] -= 1
        while admitted := self._line.admit(self.admits):
            self._held[admitted] += 1

    def admits(self, team: str, *, after: str | None = None) -> bool:
        """Tell whether a team can have a place now, or once the team `after` gave one back."""
        free = self._count - self._held.total() + (after is not None)
        has = self._held[team] - (after == team)
        return free > (self._kept if has else 0)

    def wanted(self, team: str) -> bool:
        """Tell whether somebody waits who can have a place as soon as this team gives one back."""
        return any(self.admits(waiting, after=team) for waiting in self._line)

    def without(self) -> AbstractSet[str]:
        """Teams that wait and have no place at all."""
        return {team for team in self._line if not self._held[team]}

    def held(self, team: str) -> int:
        """How many places a team has."""
        return self._held[team]
