from collections.abc import Sequence
from itertools import product
from typing import Any

import orjson
import pytest

from integration.orchestrator.outbound.postgres.stores import Stores, opened
from orchestrator.domain.ids import sample_key
from orchestrator.outbound.postgres import sample_lines
from orchestrator.outbound.postgres.run_records import read_run
from orchestrator.outbound.postgres.sample_lines import read_lines

MOMENT = "2026-03-01T10:20:30Z"
SECONDS = 1772360430


class Watched:
    """A connection that remembers how many rows each answer had."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.answers: list[int] = []

    async def fetch(self, *arguments: object) -> Sequence[Any]:
        rows: Sequence[Any] = await self._connection.fetch(*arguments)
        self.answers.append(len(rows))
        return rows


async def lines_of(stores: Stores, run_id: str) -> list[bytes]:
    pieces = [piece async for piece in stores.results.sample_lines(run_id)]
    return b"".join(pieces).splitlines(keepends=True)


async def change(stores: Stores, **columns: object) -> None:
    """Set columns of all samples, from texts as SQL reads them."""
    changes = ", ".join(f"{name} = ${place}" for place, name in enumerate(columns, 1))
    await stores.execute(f"UPDATE samples SET {changes}", *columns.values())  # noqa: S608 -- ours


async def test_a_line_has_the_members_of_the_contract_in_its_order(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run(1)
        await stores.execute(
            "UPDATE samples SET state = 'generating', created_at = $1::text::timestamptz", MOMENT
        )

        (line,) = await lines_of(stores, run_id)

    key = sample_key(run_id, 0, 0, 0)
    assert line.decode() == (
        f'{{"id":"eval_sample_{key}","object":"eval.sample","run_id":"{run_id}","task_id":"task",'
        '"model":"model","sample_index":0,"status":"generating","dataset_row":{},'
        '"prompt":"prompt 0","target":"0","response_id":null,"output_text":null,"reasoning":null,'
        '"extracted_output":null,"scores":{},"judge":null,"error":null,"cost_usd":null,'
        '"input_tokens":null,"output_tokens":null,"cached_tokens":null,"reasoning_tokens":null,'
        f'"tokens_estimated":false,"phase_timings":null,"created_at":{SECONDS},'
        '"started_at":null,"completed_at":null}\n'
    )


async def test_a_line_shows_what_was_stored(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run(1)
        await stores.execute(
            """
            UPDATE samples SET
                state = 'completed', response_id = 'resp', output_text = 'out', reasoning = 'why',
                extracted_output = 'got', scores = '{"score": 0.5, "none": null}',
                judge = '{"by": 1}', input_tokens = 1, output_tokens = 2, cached_tokens = 3,
                reasoning_tokens = 9007199254740993, tokens_estimated = true, cost_usd = 1e-7,
                generation_started_at = '2026-03-01T10:20:30.000250Z',
                generation_ended_at = '2026-03-01T10:20:31Z',
                created_at = '2026-03-01T10:20:30.999999Z', started_at = '2026-03-01T10:20:31Z',
                ended_at = '2026-03-01T10:20:32.5Z'
            """
        )

        (line,) = await lines_of(stores, run_id)

    assert (
        b'"response_id":"resp","output_text":"out","reasoning":"why","extracted_output":"got",'
        b'"scores":{"none": null, "score": 0.5},"judge":{"by": 1},"error":null,"cost_usd":1e-7,'
        b'"input_tokens":1,"output_tokens":2,"cached_tokens":3,"reasoning_tokens":9007199254740993,'
        b'"tokens_estimated":true,"phase_timings":{"generation":{"started_at":'
        b'"2026-03-01T10:20:30.000250Z","finished_at":"2026-03-01T10:20:31Z"}},'
        b'"created_at":1772360430,"started_at":1772360431,"completed_at":1772360432}\n'
    ) in line


async def test_no_text_breaks_its_line(postgres_dsn: str) -> None:
    odd = '\u2028 \u0085 "quoted" \\ \r\n\x01\x1f\x7f \N{GRINNING FACE} </script>'
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run(1)
        await change(stores, output_text=odd, reasoning=odd, extracted_output=odd, response_id=odd)
        await stores.execute("UPDATE items SET prompt = $1, target = $1", odd)

        content = b"".join([piece async for piece in stores.results.sample_lines(run_id)])

    assert content.count(b"\n") == 1
    sample = orjson.loads(content)
    texts = ("prompt", "target", "output_text", "reasoning", "extracted_output", "response_id")
    assert [sample[member] for member in texts] == [odd] * len(texts)


async def test_documents_stand_in_a_line_as_they_were_stored(postgres_dsn: str) -> None:
    row = r'{"nul": "\u0000", "half": "\ud800", "twice": 1, "twice": 2, "long": 1E+400, "n":1.0}'
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run(1)
        await stores.execute("UPDATE items SET dataset_row = $1", row)
        await change(stores, judge=row, scores=f'{{"large": {10**400}, "exact": 0.10}}')

        (line,) = await lines_of(stores, run_id)

    assert f'"dataset_row":{row},'.encode() in line
    assert f'"judge":{row},'.encode() in line
    assert f'"scores":{{"exact": 0.10, "large": {10**400}}},'.encode() in line


async def test_the_words_of_an_error_win_over_details_of_the_same_name(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run(1)
        await change(
            stores,
            error_code="grader_error",
            error_message="it raised",
            error_stage="score",
            error_details=r'{"code": "other", "traceback": "\u0000"}',
        )

        (line,) = await lines_of(stores, run_id)

    assert (
        rb'"error":{"code":"grader_error","traceback":"\u0000","message":"it raised",'
        rb'"stage":"score"},'
    ) in line


async def test_a_recorded_sample_shows_its_error_and_its_phases_as_they_were_reported(
    postgres_dsn: str,
) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run(1)
        await change(
            stores,
            recorded=True,
            error_code="trial_error",
            error_message="",
            error_details='{"type": "Timeout"}',
            phase_timings='{"verifier": {}}',
        )
        (reported,) = await lines_of(stores, run_id)
        await change(stores, error_details=None)
        (unreported,) = await lines_of(stores, run_id)

    assert b'"error":{"type": "Timeout"},' in reported
    assert b'"phase_timings":{"verifier": {}},' in reported
    assert b'"error":{"code":"trial_error","message":"","stage":null},' in unreported


async def test_samples_come_once_each_by_task_model_and_index(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_lines, "_BATCH", 2)
    indices = [0, 1, 7, 1_000, 2**31 - 1]
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run(1, models=["b", "a"])
        await stores.add_prepared_run(3)
        await add_task(stores, run_id, "also", indices)

        samples = [orjson.loads(line) for line in await lines_of(stores, run_id)]

    expected = [
        *(("task", model, 0) for model in ("b", "a")),
        *(("also", model, index) for model, index in product(("b", "a"), indices)),
    ]
    assert [(s["task_id"], s["model"], s["sample_index"]) for s in samples] == expected
    assert len({sample["id"] for sample in samples}) == len(samples)
    assert [sample["prompt"] for sample in samples[2:7]] == [f"p{index}" for index in indices]


async def add_task(stores: Stores, run_id: str, task_id: str, indices: Sequence[int]) -> None:
    """A second task, with samples of these indexes for two models."""
    await stores.execute(
        "INSERT INTO run_tasks (run_id, task_ord, task_id, grader, extraction, aggregate)"
        " VALUES ($1, 1, $2, '{}', '{}', false)",
        run_id,
        task_id,
    )
    await stores.execute(
        "INSERT INTO items (run_id, task_ord, sample_index, dataset_row, prompt)"
        " SELECT $1, 1, i, '{}', 'p' || i FROM unnest($2::int[]) i",
        run_id,
        indices,
    )
    await stores.execute(
        "INSERT INTO samples (run_id, task_ord, model_ord, sample_index, sample_key, state,"
        " created_at) SELECT $1, 1, m, i, gen_random_uuid(), 'queued', now()"
        " FROM unnest($2::int[]) i, generate_series(0, 1) m",
        run_id,
        indices,
    )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE items SET dataset_row = '\"' || repeat('x', 998) || '\"'",
        "UPDATE items SET prompt = repeat('x', 1000)",
        "UPDATE items SET target = repeat('x', 1000)",
        "UPDATE samples SET output_text = repeat('x', 1000)",
        "UPDATE samples SET reasoning = repeat('x', 1000)",
        "UPDATE samples SET extracted_output = repeat('x', 1000)",
        "UPDATE samples SET scores = jsonb_build_object('x', repeat('x', 1000))",
        "UPDATE samples SET judge = '\"' || repeat('x', 998) || '\"'",
        "UPDATE samples SET error_code = 'x', error_message = repeat('x', 1000)",
        "UPDATE samples SET error_code = 'x', error_details = '{' || repeat(' ', 998) || '}'",
        "UPDATE samples SET phase_timings = '\"' || repeat('x', 998) || '\"'",
    ],
)
async def test_samples_with_much_text_are_read_a_few_at_a_time(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    monkeypatch.setattr(sample_lines, "_BATCH_BYTES", 2_000)
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run(6)
        await stores.execute(statement)
        async with stores.database.connection() as connection:
            watched = Watched(connection)
            run = await read_run(connection, run_id)
            content = b"".join([piece async for piece in read_lines(watched, run)])  # type: ignore[arg-type]

    assert watched.answers == [1, 2, 2, 2, 0]  # the task first
    indices = [orjson.loads(line)["sample_index"] for line in content.splitlines()]
    assert indices == list(range(6))


async def test_a_sample_that_is_larger_than_a_batch_is_one(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_lines, "_BATCH_BYTES", 100)
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run(3)
        await change(stores, output_text="x" * 10_000)

        assert len(await lines_of(stores, run_id)) == 3
