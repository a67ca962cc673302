from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.domain.usage import ModelUsage, TokenCounts, UsageSum
from gateway.outbound.usage_table import UsageTable
from pgstore.database import Database
from pgstore.migrations import upgrade

SUM = UsageSum(
    id="usage_1",
    run_id="run_1",
    model="judge",
    usage=ModelUsage(calls=2, tokens=TokenCounts(input_tokens=7)),
)


@pytest.fixture
async def table(postgres_dsn: str) -> AsyncIterator[UsageTable]:
    await upgrade(
        postgres_dsn, schema="gateway", versions_package="gateway.outbound.migrations.versions"
    )
    async with Database.connect(postgres_dsn, schema="gateway", pool_size=2) as database:
        yield UsageTable(database)


async def test_a_sum_replaces_the_one_with_its_id_and_other_processes_add_to_it(
    table: UsageTable,
) -> None:
    await table.write([replace(SUM, usage=ModelUsage(calls=1)), replace(SUM, id="usage_2")])
    await table.write([SUM])

    found = await table.of_runs(["run_1", "run_9"])

    assert found == {
        "run_1": {"judge": ModelUsage(calls=4, tokens=TokenCounts(input_tokens=14))},
    }


async def test_runs_and_models_are_kept_apart(table: UsageTable) -> None:
    others = [replace(SUM, id="b", model="embed"), replace(SUM, id="c", run_id="run_2")]
    await table.write([SUM, *others])

    assert set((await table.of_runs(["run_1"]))["run_1"]) == {"embed", "judge"}
    assert set(await table.of_runs(["run_2", "run_1"])) == {"run_1", "run_2"}
