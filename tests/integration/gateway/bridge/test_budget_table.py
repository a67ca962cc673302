import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from gateway.bridge.budget import CallBudget
from gateway.bridge.budget_table import BudgetTable
from gateway.bridge.call import CallFailed
from integration.gateway.bridge.bridge_parts import grant
from pgstore.database import Database
from pgstore.migrations import upgrade


@pytest.fixture
async def database(postgres_dsn: str) -> AsyncIterator[Database]:
    await upgrade(
        postgres_dsn, schema="gateway", versions_package="gateway.outbound.migrations.versions"
    )
    async with Database.connect(postgres_dsn, schema="gateway", pool_size=4) as database:
        yield database


@pytest.fixture
def table(database: Database) -> BudgetTable:
    return BudgetTable(database)


async def reserved(database: Database, run_id: str = "run_1") -> int | None:
    async with database.connection() as connection:
        calls: int | None = await connection.fetchval(
            "SELECT reserved_calls FROM run_budgets WHERE run_id = $1", run_id
        )
        return calls


async def test_reservations_end_at_the_runs_limit(table: BudgetTable, database: Database) -> None:
    granted = [await table.reserve(grant(max_calls=20), most=10) for _ in range(40)]

    assert sum(granted) == 20
    assert granted[0] == 2
    assert granted[-1] == 0
    assert await reserved(database) == 20


async def test_what_is_given_back_can_be_reserved_again(
    table: BudgetTable, database: Database
) -> None:
    limited = grant(max_calls=8)
    while await table.reserve(limited, most=10):
        pass

    await table.give_back("run_1", 3)

    assert await table.reserve(limited, most=10) == 1
    assert await reserved(database) == 6


async def test_more_than_was_reserved_cannot_be_given_back(
    table: BudgetTable, database: Database
) -> None:
    await table.reserve(grant(max_calls=8), most=1)

    await table.give_back("run_1", 100)

    assert await reserved(database) == 0


async def test_processes_that_reserve_at_once_never_make_more_calls_than_allowed(
    table: BudgetTable, database: Database
) -> None:
    processes = [CallBudget(table, chunk=16) for _ in range(4)]
    limited = grant(max_calls=300)
    made = 0

    async def spend(process: CallBudget) -> None:
        nonlocal made
        with contextlib.suppress(CallFailed):
            while True:
                await process.take(limited)
                made += 1
                await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        for process in processes * 3:
            tasks.create_task(spend(process))

    assert made == 300
    assert await reserved(database) == 300


async def test_a_new_process_goes_on_where_a_stopped_one_left(
    table: BudgetTable, database: Database
) -> None:
    limited = grant(max_calls=1000)
    first = CallBudget(table, chunk=100)
    await first.take(limited)
    await first.close()

    assert await reserved(database) == 1
    await CallBudget(table, chunk=100).take(limited)
    assert await reserved(database) == 101


async def test_only_runs_that_nobody_can_spend_on_are_forgotten(
    table: BudgetTable, database: Database
) -> None:
    await table.reserve(grant(run_id="old", max_calls=9), most=1)
    await table.reserve(grant(run_id="recent", max_calls=9), most=1)
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE run_budgets SET updated_at = now() - interval '62 days' WHERE run_id = 'old'"
        )

    await table.forget_old()

    assert await reserved(database, "old") is None
    assert await reserved(database, "recent") == 1
