"""Work messages from JetStream."""

from collections.abc import Awaitable, Callable, Mapping

import orjson

from eventbus.consumer import Delivery, Handler
from orchestrator.domain.work import RunStep
from servicekit import logs

_log = logs.get_logger("orchestrator.work")


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
