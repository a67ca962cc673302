"""What embedding tasks survive, and what is done again when they are put back to work."""

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from integration.orchestrator.embedding.embedder import embed, refusing
from integration.orchestrator.embedding.tasks import dataset, labelled, pairs, sentences, task
from integration.orchestrator.fake_bridge import Answer
from integration.orchestrator.world import World
from proctor.models.v1 import model_bridge_service_pb2 as pb
from proctor.runs.v1 import run_pb2, run_service_pb2
from servicekit.caller import calling_as

CONCURRENCY = 3
PAIRS = 320  # twenty requests

pytestmark = pytest.mark.timeout(180)


def retrieval(world: World, *, documents: int) -> dict[str, Any]:
    dataset(world, "file_rows", [{"_id": "q", "text": "sun moon"}])
    corpus = [
        {"_id": f"d{place}", "text": text}
        for place, text in enumerate(sentences(documents, seed=1))
    ]
    qrels = [{"query-id": "q", "corpus-id": "d1", "score": 1}]
    return task(
        kind="retrieval",
        corpus_dataset=dataset(world, "file_corpus", corpus),
        qrels_dataset=dataset(world, "file_qrels", qrels),
    )


def stored(world: World, run_id: str) -> list[str]:
    """Objects of a run."""
    folder = Path(urlsplit(world.blob_url).path) / "runs" / run_id
    return [path.name for path in folder.rglob("*") if path.is_file()]


async def test_killed_while_it_embeds_samples_it_repeats_no_more_than_the_calls_in_flight(
    world: World,
) -> None:
    world.bridge.answer = embed
    world.bridge.latency_s = 0.1
    pairs(world, PAIRS)
    async with world.neighbours():
        async with world.child() as first:
            suite_id = await world.create_suite(task(kind="sts"))
            run_id = await world.create_run(suite_id, generation_concurrency=CONCURRENCY)
            await world.until(lambda: world.bridge.calls.total() >= 8)
            await first.kill()

        async with world.child():
            run = await world.ended(run_id)

    assert run.state == run_pb2.RUN_STATE_COMPLETED, run.error
    assert run.request_counts.completed == PAIRS
    texts = sum(len(body["input"]) for body in world.bridge.bodies)
    assert texts - 2 * PAIRS <= CONCURRENCY * 32
    assert world.bridge.in_flight_max <= CONCURRENCY
    # Whoever pays twice is told so, and nobody else is.
    assert run.tokens.input_tokens == PAIRS * 8


async def test_killed_while_it_embeds_documents_it_repeats_no_more_than_the_calls_in_flight(
    world: World,
) -> None:
    world.bridge.answer = embed
    world.bridge.latency_s = 0.1
    async with world.neighbours():
        async with world.child() as first:
            suite_id = await world.create_suite(retrieval(world, documents=600))
            run_id = await world.create_run(suite_id, generation_concurrency=CONCURRENCY)
            await world.until(lambda: world.bridge.calls.total() >= 9)
            await first.kill()

        async with world.child():
            run = await world.ended(run_id)

    assert run.state == run_pb2.RUN_STATE_COMPLETED, run.error
    texts = sum(len(body["input"]) for body in world.bridge.bodies)
    assert texts - 601 <= CONCURRENCY * 32


async def test_a_document_that_could_not_be_embedded_fails_the_group_until_a_rerun_mends_it(
    world: World,
) -> None:
    def away(body: dict[str, Any]) -> Answer:
        if "moon" in body["input"][-1] and len(world.bridge.bodies) > 1:
            return pb.ModelFailure(code="model_http_503", message="busy", http_status=503)
        return embed(body)

    world.bridge.answer = away
    wanted = retrieval(world, documents=300)
    rows = [{"_id": f"d{n}", "text": "rain" if n < 200 else "moon"} for n in range(300)]
    dataset(world, "file_corpus", rows)
    async with world.neighbours(), world.orchestrator():
        suite_id = await world.create_suite(wanted)
        run_id = await world.create_run(suite_id, generation_concurrency=1)
        run = await world.ended(run_id)
        [sample] = await world.samples(run_id)

        assert run.state == run_pb2.RUN_STATE_COMPLETED
        assert (sample.error.code, sample.error.stage) == ("model_http_503", "score")
        assert "a text that all samples need has no vector" in sample.error.message
        embedded = sum(len(body["input"]) for body in world.bridge.bodies)

        world.bridge.answer = embed
        world.bridge.bodies.clear()
        request = run_service_pb2.RerunFailedSamplesRequest(run_id=run_id)
        with calling_as(world.caller):
            await world.runs.RerunFailedSamples(request)
        run = await world.ended(run_id)

    assert run.request_counts.completed == 1
    # The query and the documents that have vectors are not asked for again.
    again = sum(len(body["input"]) for body in world.bridge.bodies)
    assert 0 < again < 301 - 64
    assert again + embedded <= 301 + 32


async def test_a_rerun_asks_for_refused_samples_alone_and_scores_the_group_again(
    world: World,
) -> None:
    world.bridge.answer = refusing(lambda text: text == "refused")
    rows = pairs(world, 40)
    rows[5]["sentence1"] = "refused"
    dataset(world, "file_rows", rows)
    async with world.neighbours(), world.orchestrator():
        run_id = await world.create_run(await world.create_suite(task(kind="sts")))
        first = await world.ended(run_id)
        world.bridge.answer = embed
        world.bridge.bodies.clear()
        with calling_as(world.caller):
            await world.runs.RerunFailedSamples(
                run_service_pb2.RerunFailedSamplesRequest(run_id=run_id)
            )
        second = await world.ended(run_id)

    assert first.request_counts.failed == 1
    assert second.request_counts.completed == 40
    assert [body["input"] for body in world.bridge.bodies] == [["refused", rows[5]["sentence2"]]]
    before, after = json.loads(first.metrics_json), json.loads(second.metrics_json)
    assert before["by_model"]["model-a"]["score"] != after["by_model"]["model-a"]["score"]


async def test_a_cancelled_run_stops_its_calls_and_a_retry_goes_on_with_its_vectors(
    world: World,
) -> None:
    world.bridge.answer = embed
    pairs(world, PAIRS)
    async with world.neighbours(), world.orchestrator():
        suite_id = await world.create_suite(task(kind="sts"))
        run_id = await world.create_run(suite_id, generation_concurrency=CONCURRENCY)
        await world.until(lambda: world.bridge.calls.total() >= 6)
        world.bridge.may_answer.clear()
        await world.until(lambda: world.bridge.in_flight == CONCURRENCY)
        with calling_as(world.caller):
            await world.runs.CancelRun(run_service_pb2.CancelRunRequest(run_id=run_id))
        run = await world.ended(run_id)
        assert run.state == run_pb2.RUN_STATE_CANCELLED
        assert world.bridge.cancelled == CONCURRENCY

        world.bridge.may_answer.set()
        with calling_as(world.caller):
            await world.runs.RetryRun(run_service_pb2.RetryRunRequest(run_id=run_id))
        run = await world.ended(run_id)

    assert run.request_counts.completed == PAIRS
    texts = sum(len(body["input"]) for body in world.bridge.bodies)
    assert texts - 2 * PAIRS <= CONCURRENCY * 32


async def test_vectors_go_when_no_rerun_can_need_them(world: World) -> None:
    world.bridge.answer = refusing(lambda text: text == "refused")
    rows = pairs(world, 3)
    failing = dataset(world, "file_failing", [*rows, {**rows[0], "sentence1": "refused"}])
    async with world.neighbours(), world.orchestrator():
        done = await world.create_run(await world.create_suite(task(kind="sts")))
        suite_id = await world.create_suite(task(kind="sts") | {"dataset": failing})
        kept = await world.create_run(suite_id)
        for run_id in (done, kept):
            assert (await world.ended(run_id)).state == run_pb2.RUN_STATE_COMPLETED
        assert stored(world, done)
        assert stored(world, kept)

        # What waits a minute for late workers has waited.
        await world.query("UPDATE runs SET ended_at = ended_at - interval '2 minutes'")
        await world.until(lambda: not stored(world, done))
        assert stored(world, kept)

        with calling_as(world.caller):
            await world.runs.DeleteRun(run_service_pb2.DeleteRunRequest(run_id=kept))
        await world.query(
            "UPDATE runs SET deleted_at = deleted_at - interval '2 minutes' WHERE run_id = $1",
            kept,
        )
        await world.until(lambda: not stored(world, kept))


async def test_a_model_whose_vectors_change_their_length_fails_its_samples(world: World) -> None:
    def growing(body: dict[str, Any]) -> Answer:
        answer = embed(body)
        assert isinstance(answer, pb.ModelAnswer)
        if len(body["input"]) < 32:
            document = json.loads(answer.body_json)
            for entry in document["data"]:
                entry["embedding"].append(1.0)
            answer.body_json = json.dumps(document).encode()
        return answer

    world.bridge.answer = growing
    pairs(world, 40)
    async with world.neighbours(), world.orchestrator():
        run_id = await world.create_run(await world.create_suite(task(kind="sts")))
        run = await world.ended(run_id)
        samples = await world.samples(run_id)

    assert run.request_counts.failed == 40
    assert {sample.error.code for sample in samples} == {"model_error"}
    assert samples[0].error.message == "the model gave vectors of different lengths: 16, 17"


async def test_a_classifier_with_one_label_says_so_and_scores_nothing(world: World) -> None:
    world.bridge.answer = embed
    dataset(world, "file_rows", labelled(4, seed=1))
    only = [row | {"label": "hot"} for row in labelled(9, seed=2)]
    wanted = task(kind="classification", train_dataset=dataset(world, "file_train", only))
    async with world.neighbours(), world.orchestrator():
        run_id = await world.create_run(await world.create_suite(wanted))
        run = await world.ended(run_id)
        [sample, *_] = await world.samples(run_id)

    assert run.state == run_pb2.RUN_STATE_COMPLETED
    assert sample.error.code == "grader_error"
    assert sample.error.message == "a classifier needs training rows with at least two labels"


async def test_the_loop_goes_on_while_a_group_is_scored(world: World) -> None:
    world.bridge.answer = embed
    dataset(world, "file_rows", labelled(400, seed=1))
    wanted = task(
        kind="classification",
        train_dataset=dataset(world, "file_train", labelled(900, seed=2)),
        samples_per_label=300,
        n_experiments=60,
    )
    longest = 0.0
    async with world.neighbours(), world.orchestrator():
        run_id = await world.create_run(await world.create_suite(wanted))
        await world.until(lambda: sum(len(b["input"]) for b in world.bridge.bodies) >= 1300)
        ending = asyncio.create_task(world.ended(run_id))  # noqa: TID251 -- watched below
        now = asyncio.get_running_loop().time
        while not ending.done():
            began = now()
            await asyncio.sleep(0.01)
            longest = max(longest, now() - began)

    # On a busy machine a turn takes a while, but not as long as sixty classifiers.
    assert ending.result().request_counts.completed == 400
    assert longest < 3
