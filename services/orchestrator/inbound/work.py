"""Work messages from JetStream."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import orjson

from eventbus.consumer import Delivery, Handler, NotNow
from orchestrator.domain.work import RunStep
from servicekit import logs
from servicekit.turns import Turns

# Messages that may wait here for their team's turn; those of another team must not hide behind
# them.
WAITING_MAX = 256
# One that waits for longer makes room for others, and another replica may have a place for it.
WAIT_S = 5.0

_log = logs.get_logger("orchestrator.work")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkMessage:
    """What wants a worker.

    Attributes:
        subject: Ends with the step, where the work is a step of the whole run.
        team: Empty in messages of an earlier release.
        shard_no: Which shard, where the work is a shard.
    """

    subject: str
    team: str
    run_id: str
    shard_no: int


Work = Callable[[WorkMessage], Awaitable[None]]


def in_turns(turns: Turns, work: Work) -> Handler:
    """Make a handler that works on messages when it is their team's turn.

    A consumer may have as many messages in flight as there are turns and `WAITING_MAX`.
    """

    async def handle(delivery: Delivery) -> None:
        message = _message(delivery)
        try:
            async with asyncio.timeout(WAIT_S):
                await turns.acquire(message.team)
        except TimeoutError:
            raise NotNow from None
        try:
            await work(message)
        finally:
            turns.release(message.team)

    return handle


def run_steps(steps: Mapping[RunStep, Callable[[str], Awaitable[None]]]) -> Work:
    """Make what works on messages whose subject ends with a step."""

    async def work(message: WorkMessage) -> None:
        await steps[RunStep(message.subject.rpartition(".")[2])](message.run_id)

    return work


def shards(run_shard: Callable[[str, int], Awaitable[None]]) -> Work:
    """Make what works on messages that name a shard."""

    async def work(message: WorkMessage) -> None:
        await run_shard(message.run_id, message.shard_no)

    return work


def _message(delivery: Delivery) -> WorkMessage:
    body = orjson.loads(delivery.payload)
    return WorkMessage(
        subject=delivery.subject,
        team=body.get("team") or "",
        run_id=body["run_id"],
        shard_no=body.get("shard_no", 0),
    )
