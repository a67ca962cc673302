"""The published client, unmodified, over a real connection."""

from collections.abc import AsyncIterator

import httpx
import pytest
from meetkai_mka1 import SDK, errors, models
from meetkai_mka1.utils import BackoffStrategy, RetryConfig

from gateway.inbound.rest.server import HttpServer
from proctor.runs.v1 import run_pb2
from proctor.runs.v1.run_service_pb2 import GetArtifactsResponse
from unit.gateway.backend.house import MANIFEST, House, running

# One attempt: a refusal shall show at once.
ONCE = RetryConfig("backoff", BackoffStrategy(1, 1, 1, 1), retry_connection_errors=False)


@pytest.fixture
async def address(house: House) -> AsyncIterator[str]:
    server = HttpServer(house.app, address="127.0.0.1:0")
    async with running(server):
        yield f"http://127.0.0.1:{server.port}/"


@pytest.fixture
async def sdk(house: House, address: str) -> AsyncIterator[SDK]:
    async with SDK(server_url=address, bearer_auth=await house.key(), retry_config=ONCE) as sdk:
        yield sdk


def manifest() -> models.EvalSuiteManifest:
    return models.EvalSuiteManifest.model_validate(MANIFEST)


async def upload(sdk: SDK, content: bytes, filename: str) -> models.File:
    return await sdk.llm.files.upload_async(
        file={"file_name": filename, "content": content}, purpose="evals"
    )


async def test_files_go_up_and_come_back(sdk: SDK) -> None:
    made = await upload(sdk, b'{"q": "1+1"}\n' * 1000, "rows.jsonl")

    listed = await sdk.llm.files.list_async(purpose="evals")
    got = await sdk.llm.files.get_async(file_id=made.id)
    content = await sdk.llm.files.content_async(file_id=made.id)
    deleted = await sdk.llm.files.delete_async(file_id=made.id)

    assert [entry.id for entry in listed.data] == [made.id] == [got.id]
    assert await content.aread() == b'{"q": "1+1"}\n' * 1000
    assert made.sha256
    assert deleted.deleted is True


@pytest.mark.parametrize(
    "filename", ["a.json", "a.jsonl", "a.ndjson", "a.csv", "a.py", "a.md", "a.txt", "a.bin"]
)
async def test_every_kind_of_file_can_be_downloaded(sdk: SDK, filename: str) -> None:
    made = await upload(sdk, b"content", filename)

    content = await sdk.llm.files.content_async(file_id=made.id)

    assert await content.aread() == b"content"


async def test_an_unknown_content_is_the_clients_own_not_found_error(sdk: SDK) -> None:
    with pytest.raises(errors.GetFileContentNotFoundError) as refused:
        await sdk.llm.files.content_async(file_id="file_x")

    assert refused.value.data.error
    assert refused.value.data.error.code == 404


async def test_a_wrong_key_is_the_clients_own_unauthorized_error(address: str) -> None:
    async with SDK(server_url=address, bearer_auth="prk_wrong", retry_config=ONCE) as sdk:
        with pytest.raises(errors.GetFileContentUnauthorizedError):
            await sdk.llm.files.content_async(file_id="file_x")


async def test_suites_and_versions_are_made_listed_and_read(sdk: SDK) -> None:
    suite = await sdk.llm.evals.create_suite_async(
        name="Arithmetic", manifest=manifest(), metadata={"owner": "qa"}
    )
    second = await sdk.llm.evals.create_suite_version_async(
        suite_id=suite.id, manifest=manifest(), make_active=False
    )

    got = await sdk.llm.evals.get_suite_async(suite_id=suite.id)
    suites = await sdk.llm.evals.list_suites_async()
    versions = await sdk.llm.evals.list_suite_versions_async(suite_id=suite.id)
    first = await sdk.llm.evals.get_suite_version_async(suite_id=suite.id, version=1)

    assert (got.active_version, got.latest_version, got.access) == (1, 2, "owner")
    assert [entry.id for entry in suites.data] == [suite.id]
    assert [entry.version for entry in versions.data] == [2, 1]
    assert (first.version, second.version) == (1, 2)
    assert first.manifest.tasks


async def test_a_run_is_started_polled_and_read(house: House, sdk: SDK) -> None:
    suite = await sdk.llm.evals.create_suite_async(name="s", manifest=manifest())
    run = await sdk.llm.evals.create_run_async(
        suite_id=suite.id,
        models=["model-a"],
        generation={"temperature": 0, "max_gen_toks": 16, "until": ["\n"]},
        concurrency=2,
        x_on_behalf_of="user-7",
    )
    house.runs.add_sample(run.id)
    stored = house.runs.runs[run.id]
    stored.state = run_pb2.RUN_STATE_COMPLETED
    stored.metrics_json = b'{"by_model":{},"by_task":{}}'
    house.runs.artifacts = GetArtifactsResponse(result_file_id="file_r", samples_file_id="file_s")

    polled = await sdk.llm.evals.get_run_async(run_id=run.id)
    runs = await sdk.llm.evals.list_runs_async(suite_id=suite.id, status="completed")
    samples = await sdk.llm.evals.list_samples_async(
        run_id=run.id, include_reasoning=True, score_min=0.5, sample_index="0", status="completed"
    )
    artifacts = await sdk.llm.evals.get_artifacts_async(run_id=run.id)

    assert (run.status, polled.status) == ("queued", "completed")
    assert [entry.id for entry in runs.data] == [run.id]
    assert (samples.data[0].scores, samples.data[0].reasoning) == ({"score": 1.0}, "easy")
    assert artifacts.result_file_id == "file_r"
    assert house.runs.callers[0].on_behalf_of == "user-7"


async def test_pages_are_walked_with_the_clients_parameters(house: House, sdk: SDK) -> None:
    suite = await sdk.llm.evals.create_suite_async(name="s", manifest=manifest())
    run = await sdk.llm.evals.create_run_async(suite_id=suite.id, models=["model-a"])
    for _ in range(3):
        house.runs.add_sample(run.id)

    found, after = [], None
    for _ in range(3):
        page = await sdk.llm.evals.list_samples_async(run_id=run.id, limit=1, after=after)
        found += [sample.sample_index for sample in page.data]
        after = page.last_id

    assert found == [0, 1, 2]
    assert page.has_more is False


async def test_a_refusal_shows_the_client_status_and_reason(sdk: SDK) -> None:
    suite = await sdk.llm.evals.create_suite_async(name="s", manifest=manifest())

    with pytest.raises(errors.SDKDefaultError) as refused:
        await sdk.llm.evals.create_run_async(suite_id=suite.id, models=["a", "a"])

    assert refused.value.status_code == 400
    assert "duplicate_models" in refused.value.body


async def test_large_files_stream_both_ways_over_a_real_connection(
    house: House, address: str
) -> None:
    content = bytes(range(256)) * 10_000
    headers = {"authorization": f"Bearer {await house.key()}"}
    async with httpx.AsyncClient(base_url=f"{address}api/v1/llm", headers=headers) as client:
        made = await client.post(
            "/files", data={"purpose": "evals"}, files={"file": ("a.bin", content)}
        )
        got = await client.get(f"/files/{made.json()['id']}/content")

    assert got.content == content
    assert house.files.largest_chunk <= 1024 * 1024
