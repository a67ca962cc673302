"""Imports under way and just finished: whoever asks for the same again gets the same answer."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Protocol

import orjson
from pydantic import SecretStr

from importer.domain.file import Owner
from importer.domain.history import ImportOrder, ImportTimedOut, TooManyImports
from servicekit import logs
from servicekit.caller import team_of
from servicekit.clock import Clock
from servicekit.errors import ServiceError
from servicekit.turns import Turns

REPLAYED = timedelta(minutes=10)
IMPORT_S_MAX = 3600.0
# Nobody has to wait for an import, so clients alone would not keep their number small.
TEAM_UNDER_WAY_MAX = 50

_log = logs.get_logger("importer.keep_imports")

Work = Callable[[], Awaitable[bytes]]


class FinishedImports(Protocol):
    """Answers of imports that finished, and a lock for each import."""

    def alone(self, key: str) -> AbstractAsyncContextManager[None]:
        """Let nobody else work on the same import; waits for who does."""
        ...

    async def find(self, key: str, *, since: datetime) -> bytes | None:
        """Return the answer of an import that finished since then."""
        ...

    async def keep(self, key: str, owner: Owner, answer: bytes, *, now: datetime) -> None:
        """Keep the answer of an import."""

    async def forget(self, *, before: datetime) -> None:
        """Forget answers that nobody is given any more."""


class ImportKeeper:
    """Carries imports to their end, also when nobody waits for them any more.

    Args:
        finished: answers of the last minutes, known to all processes.
        clock: tells how long ago that was.
        at_once: how many imports work at the same time; teams take turns.
        import_s_max: how long one may take, its waiting included.
    """

    def __init__(
        self,
        finished: FinishedImports,
        clock: Clock,
        *,
        at_once: Turns,
        import_s_max: float = IMPORT_S_MAX,
    ) -> None:
        self._import_s_max = import_s_max
        self._finished = finished
        self._clock = clock
        self._at_once = at_once
        self._under_way: dict[str, asyncio.Task[bytes | Exception]] = {}
        self._of_teams: Counter[str] = Counter()
        self._group: asyncio.TaskGroup | None = None
        self._started = asyncio.Event()

    async def run(self) -> None:
        """Host imports until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            self._started.set()
            await asyncio.Event().wait()

    async def answer(
        self, owner: Owner, order: ImportOrder, work: Work, *, token: SecretStr
    ) -> bytes:
        """Return what `work` makes, done once for all who ask for the same within ten minutes.

        Whoever stops waiting stops nothing. What failed is not kept: asking again tries again. Who
        has another token asks for something else: an answer tells what a repository holds.

        Raises:
            TooManyImports: the team has so many under way in this process.
            ServiceError: whatever `work` raises, or it took too long.
        """
        key = _key(owner, order, token)
        task = self._under_way.get(key)
        if task is None:
            await self._started.wait()
            task = self._begin(key, owner, work)
        outcome = await asyncio.shield(task)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _begin(self, key: str, owner: Owner, work: Work) -> asyncio.Task[bytes | Exception]:
        assert self._group is not None  # noqa: S101 -- set before it is told
        team = team_of(owner)
        if self._of_teams[team] >= TEAM_UNDER_WAY_MAX:
            raise TooManyImports(TEAM_UNDER_WAY_MAX)
        task = self._group.create_task(self._outcome(key, owner, work))
        self._under_way[key] = task
        self._of_teams[team] += 1

        def end(_: object) -> None:
            self._under_way.pop(key, None)
            self._of_teams -= Counter({team: 1})

        task.add_done_callback(end)
        return task

    async def _outcome(self, key: str, owner: Owner, work: Work) -> bytes | Exception:
        # Returned, not raised: it would end all imports of the group.
        try:
            async with asyncio.timeout(self._import_s_max):
                return await self._known(key) or await self._in_turn(key, owner, work)
        except ServiceError as error:
            return error
        except TimeoutError:
            return ImportTimedOut(self._import_s_max)
        except Exception as error:  # noqa: BLE001 -- told by whoever waits
            _log.exception("import_failed")
            return error

    async def _known(self, key: str) -> bytes | None:
        return await self._finished.find(key, since=self._clock.utc_now() - REPLAYED)

    async def _in_turn(self, key: str, owner: Owner, work: Work) -> bytes:
        # The lock holds a connection, so those who wait for a turn have none.
        place = self._at_once.place(team_of(owner))
        async with place, self._finished.alone(key):
            return await self._known(key) or await self._work(key, owner, work)

    async def _work(self, key: str, owner: Owner, work: Work) -> bytes:
        answer = await work()
        now = self._clock.utc_now()
        await self._finished.keep(key, owner, answer, now=now)
        await self._finished.forget(before=now - REPLAYED)
        return answer


def _key(owner: Owner, order: ImportOrder, token: SecretStr) -> str:
    wishes = [owner.org_id, owner.team_id, order.wishes(), token.get_secret_value()]
    return hashlib.sha256(orjson.dumps(wishes, option=orjson.OPT_SORT_KEYS)).hexdigest()
