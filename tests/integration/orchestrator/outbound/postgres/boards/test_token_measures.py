import asyncio
from typing import Any

import orjson
import pytest

from integration.orchestrator.outbound.postgres.boards.ended_runs import (
    add_run,
    add_sample,
    new_suite,
)
from integration.orchestrator.outbound.postgres.stores import CALLER, Stores, opened
from orchestrator.domain.suite import SuiteNotFound
from orchestrator.domain.suite_share import SharedReadOnly
from orchestrator.domain.token_estimates import SampleText, estimated
from orchestrator.domain.tokens import Tokens
from orchestrator.outbound.postgres.boards import token_measures
from orchestrator.outbound.postgres.boards.token_measures import PostgresTokenMeasures
from orchestrator.ports.token_measures import MeasurableRun
from servicekit.caller import Caller

FIGURES = estimated(prompt=3, output_text=2, reasoning=1)
METRICS: dict[str, Any] = {
    "by_model": {"model": {"score": 0.5, "metrics": {}, "tokens": {}}},
    "by_task": {"task": {"model": {"score": 0.5, "metrics": {}, "tokens": {}}}},
}


async def measurable(stores: Stores, suite_id: str, **run: Any) -> MeasurableRun:
    """A completed run with metrics and no samples yet."""
    run_id = await add_run(stores, suite_id, **run)
    await stores.execute(
        "UPDATE runs SET metrics = $2 WHERE run_id = $1", run_id, orjson.dumps(METRICS).decode()
    )
    return MeasurableRun(run_id, 0)


async def samples(stores: Stores, run: MeasurableRun) -> list[Any]:
    return await stores.query(
        "SELECT input_tokens, output_tokens, reasoning_tokens, cached_tokens, tokens_estimated"
        " FROM samples WHERE run_id = $1 ORDER BY sample_index",
        run.run_id,
    )


async def test_runs_with_texts_and_without_figures_are_found_oldest_first(
    postgres_dsn: str,
) -> None:
    async with opened(postgres_dsn) as stores:
        suite_id = await new_suite(stores)
        newer = await measurable(stores, suite_id, minute=5)
        older = await measurable(stores, suite_id, minute=1)
        unfinished = await measurable(stores, suite_id, state="in_progress")
        deleted = await measurable(stores, suite_id)
        elsewhere = await measurable(stores, await new_suite(stores))
        for run in (newer, unfinished, deleted, elsewhere):
            await add_sample(stores, run.run_id, output_text="text")
        await add_sample(stores, older.run_id, reasoning="hm")
        nothing = await measurable(stores, suite_id)
        await add_sample(stores, nothing.run_id, 0, output_text="text", input_tokens=0)
        await add_sample(stores, nothing.run_id, 1, output_text="", prompt="prompt")
        await stores.changes.delete(CALLER, deleted.run_id)

        found = await PostgresTokenMeasures(stores.database).runs(CALLER, suite_id)

        assert list(found) == [older, newer]


async def test_a_run_with_nothing_to_measure_is_looked_through_once_an_edition(
    postgres_dsn: str,
) -> None:
    async with opened(postgres_dsn) as stores:
        suite_id = await new_suite(stores)
        run = await measurable(stores, suite_id)
        await add_sample(stores, run.run_id, output_text="text", input_tokens=3)
        measures = PostgresTokenMeasures(stores.database)
        assert await measures.runs(CALLER, suite_id) == []

        unmeasure = "UPDATE samples SET input_tokens = NULL WHERE run_id = $1"
        await stores.execute(unmeasure, run.run_id)
        same_edition = await measures.runs(CALLER, suite_id)
        await stores.execute("UPDATE runs SET edition = 1 WHERE run_id = $1", run.run_id)
        next_edition = await measures.runs(CALLER, suite_id)

        assert same_edition == []
        assert next_edition == [MeasurableRun(run.run_id, 1)]
        assert await measures.runs(CALLER, suite_id) == next_edition


async def test_texts_come_in_batches_that_fit(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        token_measures, "_TEXTS", token_measures._TEXTS.replace(str(4 * 1024 * 1024), "100")
    )
    async with opened(postgres_dsn) as stores:
        run = await measurable(stores, await new_suite(stores))
        for index, length in enumerate([40, 40, 40, 500, 1]):
            await add_sample(stores, run.run_id, index, output_text="x" * length, prompt="p")
        measures = PostgresTokenMeasures(stores.database)

        batches: list[list[int]] = []
        after: SampleText | None = None
        while batch := await measures.texts(run, after=after):
            batches.append([sample.place[2] for sample in batch])
            after = batch[-1]

        assert batches == [[0, 1], [2], [3], [4]]
        assert after is not None
        assert (after.prompt, after.output_text, after.reasoning) == ("p", "x", "")


async def test_figures_are_stored_and_every_sum_is_refreshed(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run = await measurable(stores, await new_suite(stores))
        key = await add_sample(stores, run.run_id, 0, output_text="text")
        await add_sample(stores, run.run_id, 1, output_text="text", input_tokens=10)

        stored = await PostgresTokenMeasures(stores.database).store(run, {key: FIGURES})

        assert stored == 1
        assert [tuple(row) for row in await samples(stores, run)] == [
            (3, 3, 1, None, True),
            (10, None, None, None, False),
        ]
        seen = await stores.runs.get(CALLER, run.run_id)
        assert seen.tokens == Tokens(input=13, output=3, reasoning=1, estimated=True)
        sums = {"input": 13, "output": 3, "cached": None, "reasoning": 1, "estimated": True}
        block = {"score": 0.5, "metrics": {}, "tokens": sums}
        assert orjson.loads(seen.metrics_json) == {
            "by_model": {"model": block},
            "by_task": {"task": {"model": block}},
        }


async def test_measuring_twice_at_once_counts_each_sample_once(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run = await measurable(stores, await new_suite(stores))
        figures = {
            await add_sample(stores, run.run_id, index, output_text="text"): FIGURES
            for index in range(20)
        }
        measures = PostgresTokenMeasures(stores.database)

        async with asyncio.TaskGroup() as tasks:
            both = [tasks.create_task(measures.store(run, figures)) for _ in range(2)]

        assert sorted(task.result() for task in both) == [0, 20]
        assert (await stores.runs.get(CALLER, run.run_id)).tokens.input == 60


async def test_a_run_that_was_put_back_to_work_or_deleted_stays_as_it_is(
    postgres_dsn: str,
) -> None:
    async with opened(postgres_dsn) as stores:
        suite_id = await new_suite(stores)
        rerun, again, deleted = [await measurable(stores, suite_id) for _ in range(3)]
        keys = {
            run: await add_sample(stores, run.run_id, output_text="text")
            for run in (rerun, again, deleted)
        }
        await add_sample(stores, rerun.run_id, 1, state="failed")
        await stores.execute(
            "UPDATE samples SET error_stage = 'score' WHERE run_id = $1", rerun.run_id
        )
        await stores.changes.rerun_failed(CALLER, rerun.run_id, token="")
        await stores.execute("UPDATE runs SET edition = 1 WHERE run_id = $1", again.run_id)
        await stores.changes.delete(CALLER, deleted.run_id)
        measures = PostgresTokenMeasures(stores.database)

        for run, key in keys.items():
            assert await measures.store(run, {key: FIGURES}) == 0
            assert (await samples(stores, run))[0]["output_tokens"] is None


async def test_only_the_owner_measures(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        suite_id = await new_suite(stores)
        await stores.execute(
            "INSERT INTO suite_shares VALUES ('share', $1, 'friends', 'key', now())", suite_id
        )
        measures = PostgresTokenMeasures(stores.database)

        with pytest.raises(SharedReadOnly):
            await measures.runs(Caller(org_id="friends", team_id="team"), suite_id)
        with pytest.raises(SuiteNotFound):
            await measures.runs(Caller(org_id="org", team_id="other"), suite_id)
