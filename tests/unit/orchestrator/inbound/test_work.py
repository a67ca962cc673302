import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest

from eventbus.consumer import Delivery, NotNow
from orchestrator.domain.work import RunStep
from orchestrator.inbound.work import WAIT_S, WorkMessage, in_turns, run_steps, shards
from servicekit.turns import PATIENCE_S, Turns

DAY_S = 86_400


class Works:
    """Works on a message for as many seconds as its shard's number says, and when it began each."""

    def __init__(self, *, at_once: int) -> None:
        self.turns = Turns(at_once)
        self.handle = in_turns(self.turns, self._work)
        self.began: dict[str, float] = {}

    async def _work(self, message: WorkMessage) -> None:
        self.began[message.run_id] = asyncio.get_running_loop().time()
        await asyncio.sleep(message.shard_no)
        if message.run_id == "breaks":
            raise RuntimeError("broken")

    @asynccontextmanager
    async def at_work_for(self, team: str, *, messages: int) -> AsyncIterator[None]:
        """Messages whose work ends with the block and not before."""

        async def work(number: int) -> None:
            await self.handle(message(f"{team}-{number}", team, DAY_S))

        async with asyncio.TaskGroup() as tasks:
            working = [tasks.create_task(work(number)) for number in range(messages)]
            await asyncio.sleep(0)
            yield
            for task in working:
                task.cancel()


def message(run_id: str, team: str | None, seconds: int = 0) -> Delivery:
    body = {"run_id": run_id, "shard_no": seconds} | ({"team": team} if team else {})
    return Delivery(subject="work", payload=orjson.dumps(body), headers={}, attempt=1)


@pytest.fixture
def works() -> Works:
    return Works(at_once=2)


async def test_a_team_with_many_runs_keeps_no_other_waiting(works: Works) -> None:
    async with works.at_work_for("org/many", messages=2):
        await works.handle(message("few", "org/few"))

    assert works.began["few"] == PATIENCE_S


async def test_teams_of_one_name_in_two_organisations_are_two(works: Works) -> None:
    async with works.at_work_for("one/team", messages=2):
        await works.handle(message("few", "other/team"))

    assert works.began["few"] == PATIENCE_S


async def test_a_message_that_waits_for_long_is_for_somebody_else(works: Works) -> None:
    async with works.at_work_for("org/many", messages=2):
        with pytest.raises(NotNow):
            await works.handle(message("one more", "org/many"))
        gave_up_at = asyncio.get_running_loop().time()

    assert gave_up_at == WAIT_S
    assert "one more" not in works.began


async def test_work_that_waited_for_no_turn_may_take_all_day(works: Works) -> None:
    await works.handle(message("long", "org/team", DAY_S))

    assert asyncio.get_running_loop().time() == DAY_S


async def test_work_that_fails_ends_its_turn(works: Works) -> None:
    for _ in range(3):
        with pytest.raises(RuntimeError):
            await works.handle(message("breaks", "org/team"))

    assert works.began["breaks"] == 0.0


async def test_messages_of_an_earlier_release_name_no_team_and_are_worked_on(works: Works) -> None:
    await works.handle(message("old", None))

    assert "old" in works.began


async def test_a_message_goes_to_its_step_or_names_its_shard() -> None:
    done: list[tuple[object, ...]] = []

    async def prepare(run_id: str) -> None:
        done.append((run_id,))

    async def run_shard(run_id: str, shard_no: int) -> None:
        done.append((run_id, shard_no))

    step = Delivery(
        subject="proctor.work.run.prepare", payload=b'{"run_id": "r"}', headers={}, attempt=1
    )
    await in_turns(Turns(1), run_steps({RunStep.PREPARE: prepare}))(step)
    await in_turns(Turns(1), shards(run_shard))(message("s", "org/team", 7))

    assert done == [("r",), ("s", 7)]
