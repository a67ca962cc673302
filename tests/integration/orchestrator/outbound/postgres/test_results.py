from fractions import Fraction

from integration.orchestrator.outbound.postgres.stores import Stores, opened
from orchestrator.domain.metrics import Counts, GroupResult, ScoreSum
from orchestrator.domain.tokens import NO_TOKENS, Tokens


async def complete(
    stores: Stores, run_id: str, index: int, scores: str, model_ord: int = 0
) -> None:
    await stores.execute(
        "UPDATE samples SET state = 'completed', ended_at = now(), scores = $4"
        " WHERE run_id = $1 AND model_ord = $2 AND sample_index = $3",
        run_id,
        model_ord,
        index,
        scores,
    )


async def groups_of(stores: Stores, run_id: str) -> list[GroupResult]:
    return list(await stores.results.groups(run_id))


async def test_samples_are_counted_by_task_and_model_in_their_order(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        await stores.add_prepared_run(5)
        run_id = await stores.add_prepared_run(3, models=["b", "a"])
        await complete(stores, run_id, 0, "{}", model_ord=1)
        await stores.execute(
            "UPDATE samples SET state = 'failed', ended_at = now(), error_code = 'x'"
            " WHERE run_id = $1 AND model_ord = 1 AND sample_index = 2",
            run_id,
        )

        groups = await groups_of(stores, run_id)

    assert [(group.task_id, group.model, group.counts) for group in groups] == [
        ("task", "b", Counts(total=3)),
        ("task", "a", Counts(total=3, completed=1, failed=1)),
    ]


async def test_every_number_of_a_completed_sample_counts_and_nothing_else(
    postgres_dsn: str,
) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run(4)
        await complete(stores, run_id, 0, '{"score": 1, "exact": 0, "note": "1", "none": null}')
        await complete(stores, run_id, 1, '{"score": null, "exact": 1, "yes": true}')
        await complete(stores, run_id, 2, '{"score": 0.25}')
        await stores.execute(
            "UPDATE samples SET scores = '{\"score\": 7}' WHERE sample_index = 3"  # not completed
        )

        (group,) = await groups_of(stores, run_id)

    assert group.sums == {
        "score": ScoreSum(total=Fraction(5, 4), count=2),
        "exact": ScoreSum(total=Fraction(1), count=2),
    }


async def test_sums_are_exact_however_large_or_small_the_numbers_are(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run(3)
        await complete(stores, run_id, 0, f'{{"score": {10**400}, "part": 0.1}}')
        await complete(stores, run_id, 1, '{"score": 1e-300, "part": 0.2}')
        await complete(stores, run_id, 2, f'{{"score": {-(10**400)}, "part": 0.3}}')

        (group,) = await groups_of(stores, run_id)

    assert group.sums["score"].total == Fraction(1, 10**300)
    assert group.sums["part"].total == Fraction(6, 10)


async def test_tokens_that_nobody_reported_are_not_zero(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run(2, models=["a", "b"])
        await stores.execute(
            "UPDATE samples SET input_tokens = 5, cached_tokens = 0,"
            " tokens_estimated = sample_index = 1 WHERE model_ord = 0"
        )

        told, untold = await groups_of(stores, run_id)

    assert told.tokens == Tokens(input=10, cached=0, estimated=True)
    assert untold.tokens == NO_TOKENS


async def test_what_an_aggregate_execution_returned_is_with_its_task_and_model(
    postgres_dsn: str,
) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run(2, aggregate=True, models=["a", "b"])
        await stores.execute(
            "INSERT INTO aggregates (run_id, task_ord, model_ord, metrics)"
            " VALUES ($1, 0, 1, '{\"f1\": 1}')",
            run_id,
        )

        groups = await groups_of(stores, run_id)

    assert [dict(group.returned) for group in groups] == [{}, {"f1": 1.0}]
