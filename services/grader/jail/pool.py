"""Jails kept warm: one for each program of a run, until idle for a while."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from weakref import WeakValueDictionary

from grader.domain.isolation import Isolation
from grader.jail.config import JailSetup, jail_command
from grader.jail.jail import EXECUTIONS_AT_ONCE_MAX, Jail, JailStartFailed, Preload
from grader.jail.places import Places
from grader.jail.uids import Uids
from servicekit.errors import Kind, ServiceError
from servicekit.logs import get_logger

SWEEP_PERIOD_S = 1.0
# Programs are remembered as not to be run beforehand; one that is forgotten is tried again.
NOT_PRELOADABLE_MAX = 1_000
# A jail that is started for less has cost more than it was worth.
TURN_S = 2.0

_log = get_logger(__name__)


class SandboxUnavailable(ServiceError):
    """No jail could be started; nothing of the request was run."""

    kind = Kind.UNAVAILABLE
    reason = "SANDBOX_UNAVAILABLE"


class PreloadFailed(Exception):
    """A program cannot be run beforehand; each execution must load it for itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JailKey:
    """What a jail is bound to for its whole life: nobody else's code or data is ever in it.

    `program` is a digest of everything its runner is loaded with.
    """

    team: str
    run: str
    flavour: str
    program: str
    isolation: Isolation = Isolation.FRESH


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLimits:
    """How many jails there may be at once, and when one is ended: idle, used up, or old.

    The last `jails_kept` of them are for teams that have none.
    """

    jails_max: int
    jails_kept: int = 0
    idle_s: float
    executions_max: int
    age_s: float


class _Kept:
    def __init__(self, jail: Jail, team: str, ids: tuple[int, int]) -> None:
        self.jail = jail
        self.team = team
        self.ids = ids
        self.users = 0
        self.retired = False
        self.ended = False
        self.started_at = self.used_at = time.monotonic()


class Pool:
    """Jails by what they are bound to.

    `run` ends those that are due; leaving the context ends all.
    """

    def __init__(self, setup: JailSetup, limits: PoolLimits, uids: Uids) -> None:
        self._setup = setup
        self._limits = limits
        self._uids = uids
        self._kept: dict[JailKey, _Kept] = {}
        self._dropped: list[_Kept] = []
        self._starting: WeakValueDictionary[JailKey, asyncio.Lock] = WeakValueDictionary()
        self._rooms: WeakValueDictionary[JailKey, asyncio.Semaphore] = WeakValueDictionary()
        self._places = Places(limits.jails_max, kept=limits.jails_kept)
        self._recalled: set[_Kept] = set()
        self._not_preloadable: dict[JailKey, None] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End every jail, also those that somebody still uses."""
        for key in list(self._kept):
            kept = self._kept.pop(key)
            kept.retired = True
            self._dropped.append(kept)
        async with asyncio.TaskGroup() as ends:
            while self._dropped:
                ends.create_task(self._end(self._dropped.pop()))

    @asynccontextmanager
    async def lend(
        self, key: JailKey, program: bytes, preload: Preload | None = None
    ) -> AsyncIterator[Jail]:
        """The jail of `key`, for one execution.

        It is started and loaded with `program` when there is none, as `preload` says where its
        runner runs the module body. Where executions write files, it is a new one each time, which
        ends with the execution.

        Waits for the team's turn while there are as many jails as it may have and all are in use,
        and while there are as many executions of `key` as find room in a jail.

        Raises:
            SandboxUnavailable: it cannot be started.
            PreloadFailed: not with this program in its runner, or that was tried before.
        """
        room = self._rooms.setdefault(key, asyncio.Semaphore(EXECUTIONS_AT_ONCE_MAX))
        async with room, self._lent(key, program, preload) as jail:
            yield jail

    @asynccontextmanager
    async def _lent(
        self, key: JailKey, program: bytes, preload: Preload | None
    ) -> AsyncIterator[Jail]:
        if key.isolation is Isolation.FILES:
            kept = await self._start(key, program, preload)
            kept.retired = True
        else:
            kept = self._usable(key) or await self._started(key, program, preload)
        kept.users += 1
        try:
            yield kept.jail
        finally:
            kept.users -= 1
            kept.used_at = time.monotonic()
            if kept.users == 0 and (kept.jail.is_lost or self._places.wanted(key.team)):
                self._drop(key, kept)
            if kept.users == 0 and kept.retired:
                await self._end(kept)

    def retire(self, key: JailKey, jail: Jail) -> None:
        """Lend this jail to nobody any more; it is ended when its last execution is over."""
        kept = self._kept.get(key)
        if kept is not None and kept.jail is jail:
            self._drop(key, kept)

    def give_up_preload(self, key: JailKey) -> None:
        """Start no more jails of `key`: its program's module body cannot be trusted to last."""
        _log.info("program_not_preloadable", team_id=key.team, run_id=key.run)
        self._not_preloadable[key] = None
        if len(self._not_preloadable) > NOT_PRELOADABLE_MAX:
            del self._not_preloadable[next(iter(self._not_preloadable))]

    async def run(self) -> None:
        """End what is due, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_PERIOD_S)
            await self.sweep()

    async def sweep(self) -> None:
        """End jails that are idle, lost or old, and remove what dead ones left behind.

        Where a team waits that has no jail, another lends one of its own to no more executions.
        """
        for key, kept in list(self._kept.items()):
            if kept.users == 0 and self._is_due(kept):
                self._drop(key, kept)
                self._dropped.append(kept)
        while self._dropped:
            await self._end(self._dropped.pop())
        self._recall()
        if self._setup.cgroups is not None:
            self._setup.cgroups.sweep()

    def _usable(self, key: JailKey) -> _Kept | None:
        kept = self._kept.get(key)
        if kept is None or not (
            kept.jail.is_lost or kept.jail.forked >= self._limits.executions_max
        ):
            return kept
        self._drop(key, kept)
        if kept.users == 0:
            self._dropped.append(kept)
        return None

    async def _started(self, key: JailKey, program: bytes, preload: Preload | None) -> _Kept:
        async with self._starting.setdefault(key, asyncio.Lock()):
            if key in self._not_preloadable:
                raise PreloadFailed
            kept = self._usable(key)
            if kept is None:
                kept = self._kept[key] = await self._start(key, program, preload)
            return kept

    async def _start(self, key: JailKey, program: bytes, preload: Preload | None) -> _Kept:
        await self._take_place(key.team)
        ids = self._uids.take()
        try:
            command = jail_command(
                self._setup,
                outside_uid=ids[0],
                outside_gid=ids[1],
                flavour=key.flavour,
                isolation=key.isolation,
            )
            return _Kept(await Jail.start(command, program, preload), key.team, ids)
        except BaseException as error:
            self._uids.give_back(ids)
            self._places.give_back(key.team)
            if isinstance(error, JailStartFailed) and preload is not None:
                self.give_up_preload(key)
                raise PreloadFailed from error
            if isinstance(error, JailStartFailed):
                _log.error("jail_start_failed", error=str(error), log=error.log)
                raise SandboxUnavailable(
                    "no jail could be started; the service's log says why"
                ) from error
            raise

    async def _take_place(self, team: str) -> None:
        """Wait for room for one more jail; the one that was idle longest makes room."""
        while not self._places.admits(team):
            idle = [
                (kept.used_at, key)
                for key, kept in self._kept.items()
                if kept.users == 0 and self._places.admits(team, after=key.team)
            ]
            if not idle:
                break
            key = min(idle, key=lambda one: one[0])[1]
            kept = self._kept[key]
            self._drop(key, kept)
            await self._end(kept)
        await self._places.take(team)

    def _recall(self) -> None:
        """Take jails in use back from those who have most, one for each team that has none."""
        started_before = time.monotonic() - TURN_S
        for _ in range(len(self._places.without()) - len(self._recalled)):
            candidates = [
                (key, kept)
                for key, kept in self._kept.items()
                if kept.users and kept.started_at < started_before
            ]
            if not candidates:
                return
            key, kept = max(candidates, key=lambda one: self._places.held(one[1].team))
            self._drop(key, kept)
            self._recalled.add(kept)

    def _drop(self, key: JailKey, kept: _Kept) -> None:
        kept.retired = True
        if self._kept.get(key) is kept:
            del self._kept[key]

    async def _end(self, kept: _Kept) -> None:
        if kept.ended:
            return
        kept.ended = True
        try:
            await kept.jail.end()
        finally:
            self._recalled.discard(kept)
            self._uids.give_back(kept.ids)
            self._places.give_back(kept.team)

    def _is_due(self, kept: _Kept) -> bool:
        now = time.monotonic()
        return (
            kept.jail.is_lost
            or now - kept.used_at > self._limits.idle_s
            or now - kept.started_at > self._limits.age_s
        )
