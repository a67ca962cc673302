"""Prepare a task's rows in a jail.

Preprocessor, few-shot examples and templates are the tenant's.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from grader.domain.outcome import Outcome
from grader.domain.preparing import (
    LINE_S,
    Item,
    PrepareFailed,
    PrepareTask,
    read_end,
    read_items,
)
from grader.domain.strict_json import Json
from grader.jail.child import Child
from grader.jail.execution import Clock, Executed, Order, execute
from grader.jail.pool import JailKey, Pool, SandboxUnavailable
from grader.jail.slots import CpuSlots
from grader.usecases.conversations import Conversation, Piece
from servicekit.errors import Kind, ServiceError

# One row of 2 MiB, its prompt of 1 MiB with all line feeds escaped, its target and its choices.
ITEMS_BYTES_MAX = 6_291_456

Put = Callable[[Sequence[Item]], Awaitable[None]]


class RowsOutOfOrder(ServiceError):
    """Few-shot rows came after rows of the task itself."""

    kind = Kind.INVALID_ARGUMENT
    reason = "ROWS_OUT_OF_ORDER"


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a dataset, a JSON object a line; `fewshot` ones all come before the others."""

    lines: bytes
    fewshot: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepare:
    """The preparation of rows in a jail."""

    pool: Pool
    slots: CpuSlots
    memory_bytes: int

    async def __call__(self, task: PrepareTask, batches: AsyncIterator[Rows], put: Put) -> None:
        """Prepare all rows and `put` the items in their order, as they come.

        Rows are taken as the execution asks for them and items wait in `put`, so memory stays at a
        batch or two.

        Raises:
            PrepareFailed: the rows cannot be prepared; some items may have been put before.
            SandboxUnavailable: no jail can be started, or it was lost.
            RowsOutOfOrder: few-shot rows came too late.
        """
        streams = _Streams(batches)
        items = _Items(put)

        async def converse(child: Child, clock: Clock) -> PrepareFailed | None:
            await child.stream.send(task.job)
            conversation = Conversation(
                child,
                clock,
                held,
                pieces={"fewshot_rows": streams.next_fewshot, "rows": streams.next_rows},
                line_s=LINE_S,
                emitted=items.take,
            )
            return read_end(await conversation.result())

        order = Order(
            kind="prepare", limits=task.limits(self.memory_bytes), frame_bytes_max=ITEMS_BYTES_MAX
        )
        key = JailKey(
            team=task.team_id,
            run=task.run_id,
            flavour="prepare",
            program=task.digest,
            isolation=task.isolation,
        )
        async with self.pool.lend(key, b"{}") as jail, self.slots.hold(task.team_id) as held:
            executed = await execute(jail, order, converse)
            if executed.failure and executed.failure.outcome is Outcome.SANDBOX_VIOLATION:
                self.pool.retire(key, jail)
        _raise_failure(task, executed)


def _raise_failure(task: PrepareTask, executed: Executed[PrepareFailed | None]) -> None:
    if executed.failure is not None:
        if executed.failure.outcome is Outcome.JAIL_LOST:
            raise SandboxUnavailable("the jail was lost in the middle of a preparation")
        raise task.failed(executed.failure.message)
    if executed.result is not None:
        raise executed.result


class _Items:
    """The items of one execution, checked and passed on in their order."""

    def __init__(self, put: Put) -> None:
        self._put = put
        self._made = 0

    async def take(self, emitted: Json) -> None:
        items = read_items(emitted, first=self._made)
        self._made += len(items)
        await self._put(items)


class _Streams:
    """The caller's one stream of batches as two: few-shot rows first, then the task's own."""

    def __init__(self, batches: AsyncIterator[Rows]) -> None:
        self._batches = batches
        self._held_back: Rows | None = None
        self._rows_began = False

    async def next_fewshot(self) -> Piece:
        batch = None if self._rows_began else await anext(self._batches, None)
        if batch is None or not batch.fewshot:
            self._rows_began = True
            self._held_back = batch
            return Piece(b"", 0, last=True)
        return _piece(batch)

    async def next_rows(self) -> Piece:
        batch, self._held_back = self._held_back, None
        while batch is None or (batch.fewshot and not self._rows_began):
            batch = await anext(self._batches, None)
            if batch is None:
                return Piece(b"", 0, last=True)
        self._rows_began = True
        if batch.fewshot:
            raise RowsOutOfOrder("rows of the few-shot dataset came after rows of the task")
        return _piece(batch)


def _piece(batch: Rows) -> Piece:
    return Piece(batch.lines, batch.lines.count(b"\n") + 1, last=False)
