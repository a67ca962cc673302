from integration.orchestrator.outbound.postgres.stores import CALLER, opened
from orchestrator.domain.failure import Failure
from orchestrator.domain.ids import ArtifactKind, artifact_file_id
from orchestrator.domain.metrics import Counts
from orchestrator.domain.tokens import NO_TOKENS
from orchestrator.domain.work import RunStep


async def test_discarded_files_are_known_until_they_are_gone_those_in_trouble_last(
    postgres_dsn: str,
) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_run()
        await stores.execute("UPDATE runs SET result_file_id = 'a', samples_file_id = 'b'")
        await stores.changes.delete(CALLER, run_id)

        await stores.discards.put_off("a")
        assert [file.id for file in await stores.discards.pending(limit=9)] == ["b", "a"]
        assert [file.id for file in await stores.discards.pending(limit=1)] == ["b"]
        await stores.discards.gone("b")

        assert [file.id for file in await stores.discards.pending(limit=9)] == ["a"]


async def test_what_an_unfinished_finalisation_left_is_discarded_with_its_failure(
    postgres_dsn: str,
) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run()
        await stores.execute("UPDATE shards SET state = 'done'")
        await stores.leases.sweep()
        lease = (await stores.take_step(run_id, RunStep.FINALIZE)).lease
        counts = Counts(total=4, completed=4)
        await stores.results.store(lease, metrics_json=b"{}", counts=counts, tokens=NO_TOKENS)

        await stores.steps.fail(lease, Failure(code="internal", message="no", stage="finalize"))

        discarded = {file.id for file in await stores.discards.pending(limit=9)}
        assert discarded == {artifact_file_id(run_id, kind, 0) for kind in ArtifactKind}
