import asyncio
import contextlib

import pytest

from gateway.bridge.budget import CallBudget, next_reservation
from gateway.bridge.call import CallFailed
from gateway.domain.run_token import RunGrant


def grant(max_calls: int | None, run_id: str = "run_1") -> RunGrant:
    return RunGrant(run_id=run_id, org_id="org_1", team_id="team_1", max_calls=max_calls)


class MemoryLedger:
    """Keeps reservations as the table does, in memory; the table's tests hold both to the same."""

    def __init__(self) -> None:
        self.reserved: dict[str, int] = {}
        self.questions = 0
        self.away = False

    async def reserve(self, grant: RunGrant, *, most: int) -> int:
        self.questions += 1
        await asyncio.sleep(0)
        reserved = self.reserved.get(grant.run_id, 0)
        granted = next_reservation(max(0, (grant.max_calls or 0) - reserved), most)
        self.reserved[grant.run_id] = reserved + granted
        return granted

    async def give_back(self, run_id: str, calls: int) -> None:
        if self.away:
            raise TimeoutError
        self.reserved[run_id] -= calls


class TurnedTime:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def time() -> TurnedTime:
    return TurnedTime()


@pytest.fixture
def budget(ledger: MemoryLedger, time: TurnedTime) -> CallBudget:
    return CallBudget(ledger, chunk=100, monotonic=time)


async def taken(budget: CallBudget, grant: RunGrant, times: int) -> int:
    """How many of `times` calls the budget allows, all asked for at once."""
    allowed = 0

    async def take() -> None:
        nonlocal allowed
        with contextlib.suppress(CallFailed):
            await budget.take(grant)
            allowed += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(times):
            tasks.create_task(take())
    return allowed


async def test_a_run_gets_all_its_calls_and_not_one_more(budget: CallBudget) -> None:
    assert await taken(budget, grant(250), 400) == 250


async def test_a_run_without_calls_gets_none(budget: CallBudget) -> None:
    with pytest.raises(CallFailed) as failure:
        await budget.take(grant(0))

    assert failure.value.code == "call_budget_spent"


async def test_a_run_without_a_limit_asks_nobody(budget: CallBudget, ledger: MemoryLedger) -> None:
    assert await taken(budget, grant(None), 1000) == 1000
    assert ledger.questions == 0


async def test_calls_are_reserved_by_the_chunk(budget: CallBudget, ledger: MemoryLedger) -> None:
    await taken(budget, grant(1_000_000), 1000)

    assert ledger.questions == 10


async def test_processes_share_the_budget_of_a_run(ledger: MemoryLedger) -> None:
    first, second = CallBudget(ledger, chunk=10), CallBudget(ledger, chunk=10)

    allowed = await taken(first, grant(50), 40) + await taken(second, grant(50), 40)

    assert allowed <= 50
    assert allowed + await taken(first, grant(50), 40) == 50


async def test_runs_do_not_share(budget: CallBudget) -> None:
    assert await taken(budget, grant(5, "run_1"), 9) == 5
    assert await taken(budget, grant(5, "run_2"), 9) == 5


async def test_a_spent_budget_is_not_asked_about_each_time(
    budget: CallBudget, ledger: MemoryLedger, time: TurnedTime
) -> None:
    await taken(budget, grant(1), 1)
    await taken(budget, grant(1), 500)
    asked = ledger.questions

    time.now_s += 0.5
    await taken(budget, grant(1), 500)

    assert ledger.questions == asked


async def test_what_another_process_gives_back_can_be_spent(
    budget: CallBudget, ledger: MemoryLedger, time: TurnedTime
) -> None:
    await taken(budget, grant(10), 20)
    ledger.reserved["run_1"] -= 3

    time.now_s += 2

    assert await taken(budget, grant(10), 20) == 3


async def test_stopping_gives_back_what_was_not_spent(
    budget: CallBudget, ledger: MemoryLedger
) -> None:
    await taken(budget, grant(1000), 30)

    await budget.close()

    assert ledger.reserved["run_1"] == 30


async def test_stopping_does_not_fail_when_the_ledger_is_away(
    budget: CallBudget, ledger: MemoryLedger
) -> None:
    await taken(budget, grant(1000), 30)
    ledger.away = True

    await budget.close()

    assert ledger.reserved["run_1"] == 100


async def test_calls_of_a_quiet_run_go_back_when_another_reserves(
    budget: CallBudget, ledger: MemoryLedger, time: TurnedTime
) -> None:
    await taken(budget, grant(1000, "quiet"), 1)
    time.now_s += 3600

    await taken(budget, grant(1000, "busy"), 1)

    assert ledger.reserved["quiet"] == 1


@pytest.mark.parametrize(
    ("remaining", "granted"), [(0, 0), (1, 1), (7, 1), (16, 2), (800, 100), (10_000, 100)]
)
def test_a_reservation_leaves_calls_for_others(remaining: int, granted: int) -> None:
    assert next_reservation(remaining, 100) == granted
