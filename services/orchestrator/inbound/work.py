"""Work messages from JetStream."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

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


def in_turns(turns: Turns, handler: Handler) -> Handler:
    """Make a handler that works on messages when it is their team's turn.

    A consumer may have as many messages in flight as there are turns and `WAITING_MAX`.
    """

    async def handle(delivery: Delivery) -> None:
        # A message of an earlier release names no team.
        team = orjson.loads(delivery.payload).get("team") or ""
        try:
            async with asyncio.timeout(WAIT_S):
                await turns.acquire(team)
        except TimeoutError:
            raise NotNow from None
        try:
            await handler(delivery)
        finally:
            turns.release(team)

    return handle


def run_steps(steps: Mapping[RunStep, Callable[[str], Awaitable[None]]]) -> Handler:
    """Make the handler of messages whose subject ends with a step and whose body names a run."""

    async def handle(delivery: Delivery) -> None:
        step = RunStep(delivery.subject.rpartition(".")[2])
        await steps[step](orjson.loads(delivery.payload)["run_id"])

    return handle


def shards(run_shard: Callable[[str, int], Awaitable[None]]) -> Handler:
    """Make the handler of messages whose body names a shard."""

    async def handle(delivery: Delivery) -> None:
        body = orjson.loads(delivery.payload)
        await run_shard(body["run_id"], body["shard_no"])

    return handle
