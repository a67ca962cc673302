"""RunService over the wire."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from integration.orchestrator.fake_bridge import Answer
from integration.orchestrator.world import CALLER, World, task
from proctor.models.v1 import model_bridge_service_pb2 as models_pb
from proctor.runs.v1 import run_pb2, sample_pb2
from proctor.runs.v1 import run_service_pb2 as pb
from proctor.sandbox.v1 import sandbox_service_pb2 as sandbox_pb
from proctor.suites.v1 import suite_service_pb2
from servicekit.caller import Caller, calling_as
from servicekit.errors import Kind, RemoteError

OTHER_TEAM = Caller(org_id="org", team_id="other")


@asynccontextmanager
async def serving(world: World) -> AsyncIterator[Any]:
    async with world.neighbours(), world.orchestrator():
        with calling_as(CALLER):
            yield world.runs


def new_run(suite_id: str, **fields: Any) -> pb.CreateRunRequest:
    run_id = f"eval_run_{uuid4().hex}"
    given = {"run_id": run_id, "models": ["model-a"], "run_token": "token", **fields}
    return pb.CreateRunRequest(suite_id=suite_id, **given)


async def test_a_run_answers_queued_with_its_defaults(world: World) -> None:
    async with serving(world) as runs:
        suite_id = await world.create_suite(task(world.rows(1)))
        run = (await runs.CreateRun(new_run(suite_id, metadata={"k": "v"}))).run

    assert run.state == run_pb2.RUN_STATE_QUEUED
    assert (run.generation_concurrency, run.grader_concurrency) == (4, 2)
    assert (run.generation_json, run.metrics_json) == (b"{}", b"")
    assert (run.suite_version, dict(run.metadata)) == (1, {"k": "v"})
    assert not run.selects_tasks
    assert not run.HasField("tokens") or not run.tokens.HasField("input_tokens")


async def test_a_repeated_run_id_answers_the_stored_run(world: World) -> None:
    async with serving(world) as runs:
        suite_id = await world.create_suite(task(world.rows(1)))
        request = new_run(suite_id)
        request.generation_json = b'{"temperature": 0.0, "top_p": 1}'
        first = (await runs.CreateRun(request)).run
        # A new active version and another way of writing the same settings change nothing.
        body = json.dumps({"tasks": [task("file_rows", id="b")]}).encode()
        await world.suites.CreateSuiteVersion(
            suite_service_pb2.CreateSuiteVersionRequest(suite_id=suite_id, manifest_json=body)
        )
        request.generation_json = b'{"top_p":1,"temperature":0}'
        again = (await runs.CreateRun(request)).run

        await world.ended(first.run_id)
        assert (again.run_id, again.suite_version) == (first.run_id, 1)
        assert len((await runs.ListRuns(pb.ListRunsRequest())).runs) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"models": ["model-b"]},
        {"generation_concurrency": 9},
        {"metadata": {"k": "v"}},
        {"suite_version": 2},
        {"generation_json": b'{"temperature": 1}'},
    ],
)
async def test_a_repeated_run_id_with_another_wish_is_refused(
    world: World, change: dict[str, Any]
) -> None:
    async with serving(world) as runs:
        suite_id = await world.create_suite(task(world.rows(1)))
        body = json.dumps({"tasks": [task("file_rows")]}).encode()
        await world.suites.CreateSuiteVersion(
            suite_service_pb2.CreateSuiteVersionRequest(
                suite_id=suite_id, manifest_json=body, stage_only=True
            )
        )
        request = new_run(suite_id)
        await runs.CreateRun(request)
        with pytest.raises(RemoteError) as refused:
            await runs.CreateRun(new_run(suite_id, run_id=request.run_id, **change))

        await world.ended(request.run_id)

    assert (refused.value.kind, refused.value.reason) == (
        Kind.ALREADY_EXISTS,
        "IDEMPOTENCY_KEY_REUSED",
    )


async def test_a_run_without_the_judge_that_its_grader_needs_is_refused(world: World) -> None:
    source = "def grade(sample, item, ctx): return ctx.responses_create(input='?')['n']"
    grader = {"type": "python", "contract": "model_backed", "source": source}
    async with serving(world) as runs:
        suite_id = await world.create_suite(task(world.rows(1), grader=grader))
        with pytest.raises(RemoteError) as refused:
            await runs.CreateRun(new_run(suite_id))
        await runs.CreateRun(new_run(suite_id, judge_model="judge"))

        assert len((await runs.ListRuns(pb.ListRunsRequest())).runs) == 1

    assert refused.value.reason == "JUDGE_MODEL_REQUIRED"
    assert refused.value.metadata["param"] == "judge_model"


async def test_a_run_id_of_another_team_is_taken(world: World) -> None:
    async with serving(world) as runs:
        file_id = world.rows(1)
        request = new_run(await world.create_suite(task(file_id)))
        await runs.CreateRun(request)
        world.importer.files["other", file_id] = world.importer.files["team", file_id]
        with calling_as(OTHER_TEAM):
            request.suite_id = await _suite_of(world, OTHER_TEAM, file_id)
            with pytest.raises(RemoteError) as refused:
                await runs.CreateRun(request)

    assert refused.value.reason == "RUN_ID_TAKEN"


async def test_the_servers_ceiling_lowers_a_wish_silently(world: World) -> None:
    async with (
        world.neighbours(),
        world.orchestrator(generation_concurrency_max=3, grader_concurrency_max=1),
    ):
        suite_id = await world.create_suite(task(world.rows(1)))
        run_id = await world.create_run(
            suite_id, generation_concurrency=1_000, grader_concurrency=1_000
        )
        run = await world.get_run(run_id)

    assert (run.generation_concurrency, run.grader_concurrency) == (3, 1)


@pytest.mark.parametrize(
    ("fields", "reason", "param"),
    [
        ({"run_id": "mine"}, "INVALID_RUN_ID", "run_id"),
        ({"models": []}, "EMPTY_MODELS", "models"),
        ({"models": ["a", "a"]}, "DUPLICATE_MODELS", "models"),
        ({"models": [str(n) for n in range(21)]}, "TOO_MANY_MODELS", "models"),
        ({"suite_version": 2}, "UNKNOWN_SUITE_VERSION", "suite_version"),
        ({"selects_tasks": True, "task_ids": ["x"]}, "UNKNOWN_TASK_IDS", "task_ids"),
        ({"generation_json": b'{"top_p": 7}'}, "INVALID_GENERATION", "generation.top_p"),
        ({"generation_concurrency": 1_001}, "INVALID_CONCURRENCY", "generation_concurrency"),
        ({"grader_concurrency": -1}, "INVALID_CONCURRENCY", "grader_concurrency"),
        ({"max_samples_per_task": 0}, "INVALID_CAP", "max_samples_per_task"),
        ({"judge_model": ""}, "INVALID_MODEL", "judge_model"),
        ({"metadata": {"k" * 65: ""}}, "INVALID_METADATA", "metadata"),
    ],
)
async def test_a_run_that_breaks_rules_is_refused(
    world: World, fields: dict[str, Any], reason: str, param: str
) -> None:
    async with serving(world) as runs:
        suite_id = await world.create_suite(task(world.rows(1)))
        with pytest.raises(RemoteError) as refused:
            await runs.CreateRun(new_run(suite_id, **fields))
        assert not (await runs.ListRuns(pb.ListRunsRequest())).runs

    assert (refused.value.reason, refused.value.metadata["param"]) == (reason, param)


async def test_what_another_team_has_is_not_there(world: World) -> None:
    async with serving(world) as runs:
        suite_id = await world.create_suite(task(world.rows(1)))
        run_id = await world.create_run(suite_id)
        await world.ended(run_id)
        with calling_as(OTHER_TEAM):
            for call, question in (
                (runs.GetRun, pb.GetRunRequest(run_id=run_id)),
                (runs.ListSamples, pb.ListSamplesRequest(run_id=run_id)),
                (runs.GetArtifacts, pb.GetArtifactsRequest(run_id=run_id)),
            ):
                with pytest.raises(RemoteError) as refused:
                    await call(question)
                assert refused.value.reason == "RUN_NOT_FOUND"
            with pytest.raises(RemoteError) as refused:
                await runs.CreateRun(new_run(suite_id))
            assert refused.value.reason == "SUITE_NOT_FOUND"
            assert not (await runs.ListRuns(pb.ListRunsRequest())).runs


async def test_an_id_that_cannot_be_one_is_not_found(world: World) -> None:
    async with serving(world) as runs:
        for run_id in ("", "x", "eval_run_\x00"):
            with pytest.raises(RemoteError) as refused:
                await runs.GetRun(pb.GetRunRequest(run_id=run_id))
            assert refused.value.reason == "RUN_NOT_FOUND"


async def test_runs_are_listed_newest_first_and_can_be_narrowed(world: World) -> None:
    async with serving(world) as runs:
        file_id = world.rows(1)
        suites = [await world.create_suite(task(file_id)) for _ in range(2)]
        made = [await world.create_run(suites[n % 2]) for n in range(5)]
        for run_id in made:
            await world.ended(run_id)

        async def listed(after: str = "", **fields: Any) -> list[str]:
            request = pb.ListRunsRequest(**fields)
            request.page.after_id = after
            return [run.run_id for run in (await runs.ListRuns(request)).runs]

        assert await listed() == made[::-1]
        assert await listed(after=made[3]) == made[2::-1]
        assert await listed(suite_id=suites[1]) == [made[3], made[1]]
        assert await listed(suite_id=suites[0], suite_version=1) == [made[4], made[2], made[0]]
        assert await listed(suite_id=suites[0], suite_version=2) == []
        assert await listed(state=run_pb2.RUN_STATE_FAILED) == []
        for wrong in ({"after": "x"}, {"after": "eval_run_" + "0" * 32}):
            with pytest.raises(RemoteError) as refused:
                await listed(**wrong)
            assert refused.value.reason == "INVALID_CURSOR"
        with pytest.raises(RemoteError) as refused:
            await listed(suite_version=1)
        assert refused.value.reason == "SUITE_VERSION_WITHOUT_SUITE"


async def test_samples_can_be_narrowed_by_every_filter(world: World) -> None:
    def reasoned(body: dict[str, Any]) -> Answer:
        if body["input"].endswith("3"):
            return models_pb.ModelFailure(code="model_error", message="no")
        return models_pb.ModelAnswer(output_text=body["input"].split()[-1], reasoning="because")

    def graded(sample: sandbox_pb.GradeSample) -> sandbox_pb.SampleOutcome:
        scores = {"score": sample.sample_index / 4, "big": 10**30}
        return sandbox_pb.SampleOutcome(
            sample_id=sample.sample_id,
            outcome=sandbox_pb.OUTCOME_SCORED,
            scores_json=json.dumps(scores).encode(),
        )

    world.bridge.answer, world.grader.judge = reasoned, graded
    async with serving(world):
        file_id = world.rows(4)
        suite_id = await world.create_suite(task(file_id, id="a"), task(file_id, id="b"))
        run_id = await world.create_run(suite_id, models=["x", "y"])
        await world.ended(run_id)

        async def found(**filters: Any) -> list[tuple[str, str, int]]:
            samples = await world.samples(run_id, **filters)
            return [(s.task_id, s.model, s.sample_index) for s in samples]

        everything = await found()
        assert everything == [(t, m, n) for t in "ab" for m in "xy" for n in range(4)]
        assert await found(task_id="b", model="x") == everything[8:12]
        assert (
            await found(task_id="c") == await found(model="z") == await found(task_id="\x00") == []
        )
        assert await found(task_id="a", model="x", sample_indices=[2, 0]) == [
            ("a", "x", 0),
            ("a", "x", 2),
        ]
        assert await found(states=[sample_pb2.SAMPLE_STATE_FAILED]) == [
            (t, m, 3) for t in "ab" for m in "xy"
        ]
        narrow = {"task_id": "a", "model": "x"}
        assert await found(**narrow, score_min=0.25) == [("a", "x", 1), ("a", "x", 2)]
        assert await found(**narrow, score_min=0.25, score_max=0.25) == [("a", "x", 1)]
        assert len(await found(**narrow, score_metric="big", score_min=1e29)) == 3
        assert await found(**narrow, score_metric="none", score_min=0) == []

        (plain,) = await world.samples(run_id, **narrow, sample_indices=[0])
        assert plain.dataset_row_json
        assert not plain.HasField("reasoning")
        (full,) = await world.samples(
            run_id, **narrow, sample_indices=[0], include_reasoning=True, omit_dataset_rows=True
        )
        assert (full.dataset_row_json, full.reasoning) == (b"", "because")


async def test_samples_are_listed_after_a_sample_and_only_of_the_run(world: World) -> None:
    async with serving(world) as runs:
        suite_id = await world.create_suite(task(world.rows(5)))
        ids = [await world.create_run(suite_id) for _ in range(2)]
        for run_id in ids:
            await world.ended(run_id)
        mine, other = [await world.samples(run_id) for run_id in ids]

        request = pb.ListSamplesRequest(run_id=ids[0])
        request.page.page_size, request.page.after_id = 2, mine[1].sample_id
        answer = await runs.ListSamples(request)
        assert [sample.sample_index for sample in answer.samples] == [2, 3]
        assert answer.page.has_more
        for cursor in (other[0].sample_id, "x", "eval_sample_\x00"):
            request.page.after_id = cursor
            with pytest.raises(RemoteError) as refused:
                await runs.ListSamples(request)
            assert refused.value.reason == "INVALID_CURSOR"


async def test_a_page_of_large_samples_has_fewer_of_them(world: World) -> None:
    rows = [{"question": str(n), "answer": "x" * 1_500_000} for n in range(9)]
    async with serving(world) as runs:
        suite_id = await world.create_suite(task(world.importer.add_rows("file_rows", rows)))
        run_id = await world.create_run(suite_id)
        await world.ended(run_id)

        answer = await runs.ListSamples(pb.ListSamplesRequest(run_id=run_id))
        assert 1 < len(answer.samples) < 9
        assert answer.page.has_more
        assert [s.sample_index for s in await world.samples(run_id)] == list(range(9))


async def test_a_sample_too_large_for_any_page_is_named_and_does_not_end_the_list(
    world: World,
) -> None:
    async with serving(world) as runs:
        run_id = await world.create_run(await world.create_suite(task(world.rows(3))))
        await world.ended(run_id)
        first, huge, last = await world.samples(run_id)
        large = "x" * 8 * 1024 * 1024
        await world.query("UPDATE items SET dataset_row = $1 WHERE sample_index = 1", large)
        await world.query("UPDATE samples SET output_text = $1 WHERE sample_index = 1", large)
        request = pb.ListSamplesRequest(run_id=run_id)

        answer = await runs.ListSamples(request)
        assert [sample.sample_id for sample in answer.samples] == [first.sample_id]
        request.page.after_id = first.sample_id
        with pytest.raises(RemoteError) as refused:
            await runs.ListSamples(request)
        assert refused.value.reason == "SAMPLE_TOO_LARGE"
        request.page.after_id = refused.value.metadata["sample"]
        answer = await runs.ListSamples(request)
        assert [sample.sample_id for sample in answer.samples] == [last.sample_id]
        request.omit_dataset_rows, request.page.after_id = True, ""
        assert len((await runs.ListSamples(request)).samples) == 3
        assert refused.value.metadata["sample"] == huge.sample_id


async def test_an_unfinished_run_has_no_artifacts(world: World) -> None:
    world.bridge.may_answer.clear()
    async with serving(world) as runs:
        run_id = await world.create_run(await world.create_suite(task(world.rows(1))))
        artifacts = await runs.GetArtifacts(pb.GetArtifactsRequest(run_id=run_id))
        assert not artifacts.HasField("result_file_id")

        world.bridge.may_answer.set()
        run = await world.ended(run_id)
        artifacts = await runs.GetArtifacts(pb.GetArtifactsRequest(run_id=run_id))
        assert [artifacts.result_file_id, artifacts.samples_file_id] == list(run.artifact_file_ids)


async def test_a_negative_page_is_refused(world: World) -> None:
    async with serving(world) as runs:
        request = pb.ListRunsRequest()
        request.page.page_size = -1
        with pytest.raises(RemoteError) as refused:
            await runs.ListRuns(request)

    assert refused.value.reason == "INVALID_PAGE_SIZE"


async def _suite_of(world: World, caller: Caller, file_id: str) -> str:
    body = json.dumps({"tasks": [task(file_id)]}).encode()
    request = suite_service_pb2.CreateSuiteRequest(name="suite", manifest_json=body)
    with calling_as(caller):
        return str((await world.suites.CreateSuite(request)).suite.suite_id)
