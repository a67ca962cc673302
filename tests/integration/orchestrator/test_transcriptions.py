"""Transcription tasks, and the audio of samples, over the wire."""

import json
from dataclasses import replace
from typing import Any

import pytest

from integration.orchestrator.fake_bridge import Answer
from integration.orchestrator.fake_grader import exact_match
from integration.orchestrator.world import CALLER, World, task
from proctor.models.v1 import model_bridge_service_pb2 as models_pb
from proctor.runs.v1 import run_pb2, sample_pb2
from proctor.runs.v1 import run_service_pb2 as runs_pb
from proctor.runs.v1 import sample_audio_service_pb2 as pb
from proctor.sandbox.v1 import sandbox_service_pb2 as sandbox_pb
from proctor.suites.v1 import share_service_pb2
from servicekit.caller import Caller, calling_as
from servicekit.errors import Kind, RemoteError

URI = "data:audio/wav;base64,UklGRg=="
URL = "https://audio.example.com/2.wav"
ROWS: list[dict[str, Any]] = [
    {"clip": URI, "text": "one"},
    {"clip": {"src": URL, "type": "audio/wav"}, "text": "two"},
    {"clip": "", "text": "three"},
]
ELSEWHERE = Caller(org_id="elsewhere", team_id="team")


def speech(file_id: str, **changes: Any) -> dict[str, Any]:
    given = task(
        file_id,
        type="transcription",
        dataset={"file_id": file_id, "audio_column": "clip"},
        target_template="{{text}}",
        language="uk",
        **changes,
    )
    if "prompt_template" not in changes:
        del given["prompt_template"]
    return given


def writes_down(body: dict[str, Any]) -> Answer:
    """Know what is spoken in both clips."""
    if body["audio"] == "gone":
        return models_pb.ModelFailure(code="audio_unreachable", message="no")
    text = {URI: "one", URL: "two"}[body["audio"]]
    return models_pb.ModelAnswer(output_text=text, status=models_pb.RESPONSE_STATUS_COMPLETED)


async def audio(world: World, run_id: str, index: int = 0, **fields: Any) -> Any:
    request = pb.GetSampleAudioRequest(run_id=run_id, sample_index=index, **fields)
    with calling_as(world.caller):
        return await world.audio.GetSampleAudio(request)


async def refusal(world: World, run_id: str, index: int = 0, **fields: Any) -> tuple[Kind, str]:
    with pytest.raises(RemoteError) as refused:
        await audio(world, run_id, index, **fields)
    return refused.value.kind, refused.value.reason


async def test_speech_is_written_down_and_graded_without_its_audio(world: World) -> None:
    rows_graded: list[bytes] = []

    def judge(sample: sandbox_pb.GradeSample) -> sandbox_pb.SampleOutcome:
        rows_graded.append(sample.row_json)
        return exact_match(sample)

    world.bridge.answer = writes_down
    world.grader.judge = judge
    file_id = world.importer.add_rows("file_rows", ROWS)
    async with world.neighbours(), world.orchestrator():
        run_id = await world.create_run(await world.create_suite(speech(file_id)))
        run = await world.ended(run_id)
        first, second, third = await world.samples(run_id)

    assert run.state == run_pb2.RUN_STATE_COMPLETED
    assert {call.endpoint for call in world.bridge.messages} == {models_pb.ENDPOINT_TRANSCRIPTIONS}
    assert sorted(world.bridge.bodies, key=str) == [
        {"model": "model-a", "audio": URI, "language": "uk"},
        {"model": "model-a", "audio": URL, "language": "uk"},
    ]
    for sample, text in ((first, "one"), (second, "two")):
        assert sample.state == sample_pb2.SAMPLE_STATE_COMPLETED
        assert (sample.output_text, sample.prompt) == (text, "")
        assert json.loads(sample.scores_json) == {"score": 1.0}
        assert not sample.HasField("reasoning")
        assert not sample.tokens.HasField("input_tokens")
    assert json.loads(first.dataset_row_json)["clip"] == "data:audio/wav;base64,[redacted]"
    assert all(b"UklGRg" not in row for row in rows_graded)
    assert (third.error.code, third.error.stage) == ("audio_missing", "prepare")


async def test_a_prompt_goes_along_where_the_task_has_a_template(world: World) -> None:
    world.bridge.answer = writes_down
    file_id = world.importer.add_rows("file_rows", ROWS[:1])
    async with world.neighbours(), world.orchestrator():
        suite_id = await world.create_suite(speech(file_id, prompt_template="Say {{text}}"))
        run_id = await world.create_run(suite_id)
        await world.ended(run_id)
        (sample,) = await world.samples(run_id)

    assert [body["prompt"] for body in world.bridge.bodies] == ["Say one"]
    assert sample.prompt == "Say one"


async def test_audio_that_could_not_be_had_is_asked_for_again_in_a_rerun(world: World) -> None:
    answers: list[Answer] = [models_pb.ModelFailure(code="audio_unreachable", message="gone")]
    world.bridge.answer = lambda body: answers.pop() if answers else writes_down(body)
    file_id = world.importer.add_rows("file_rows", ROWS[:1])
    async with world.neighbours(), world.orchestrator():
        run_id = await world.create_run(await world.create_suite(speech(file_id)))
        await world.ended(run_id)
        (failed,) = await world.samples(run_id)
        with calling_as(CALLER):
            await world.runs.RerunFailedSamples(runs_pb.RerunFailedSamplesRequest(run_id=run_id))
        await world.ended(run_id)
        (sample,) = await world.samples(run_id)

    assert (failed.error.code, failed.error.stage) == ("audio_unreachable", "generate")
    assert (sample.state, sample.output_text) == (sample_pb2.SAMPLE_STATE_COMPLETED, "one")


async def test_the_audio_of_a_sample_is_whole_and_the_same_for_each_model(world: World) -> None:
    world.bridge.answer = writes_down
    file_id = world.importer.add_rows("file_rows", ROWS)
    async with world.neighbours(), world.orchestrator():
        suite_id = await world.create_suite(speech(file_id))
        run_id = await world.create_run(suite_id, models=["model-a", "model-b"])
        await world.ended(run_id)

        found = await audio(world, run_id)
        assert (found.audio, found.task_id, found.model) == (URI, "task", "model-a")
        found = await audio(world, run_id, 1, model="model-b", task_id="task")
        assert (found.audio, found.sample_index, found.model) == (URL, 1, "model-b")

        assert await refusal(world, run_id, 2) == (Kind.NOT_FOUND, "AUDIO_NOT_FOUND")
        assert await refusal(world, run_id, 3) == (Kind.NOT_FOUND, "SAMPLE_NOT_FOUND")
        for odd in ({"model": "model-c"}, {"task_id": "other"}, {"task_id": "a\0"}):
            assert await refusal(world, run_id, 0, **odd) == (Kind.NOT_FOUND, "SAMPLE_NOT_FOUND")
        for strange in ("eval_run_" + "0" * 32, "run", ""):
            assert await refusal(world, strange) == (Kind.NOT_FOUND, "RUN_NOT_FOUND")

        await world.query(
            "UPDATE items SET audio = 'data:audio/wav;base64,' || repeat('A', 15 * 1024 * 1024)"
        )
        assert await refusal(world, run_id) == (Kind.OUT_OF_RANGE, "AUDIO_TOO_LARGE")


async def test_other_tasks_have_audio_in_the_column_that_is_named_or_seems_to_hold_it(
    world: World,
) -> None:
    row = {"question": "?", "answer": "?", "first": URI, "second": "https://h/second.mp3"}
    file_id = world.importer.add_rows("file_rows", [row])
    async with world.neighbours(), world.orchestrator():
        named = {"file_id": file_id, "audio_column": "second"}
        suite_id = await world.create_suite(
            task(file_id, id="any"), task(file_id, id="named", dataset=named)
        )
        run_id = await world.create_run(suite_id)
        await world.ended(run_id)

        assert (await audio(world, run_id, task_id="any")).audio == URI
        assert (await audio(world, run_id, task_id="named")).audio == "https://h/second.mp3"
        assert await refusal(world, run_id) == (Kind.INVALID_ARGUMENT, "SAMPLE_AMBIGUOUS")


async def test_audio_is_for_the_team_and_for_those_it_shares_the_suite_with(world: World) -> None:
    world.bridge.answer = writes_down
    file_id = world.importer.add_rows("file_rows", ROWS[:1])
    async with world.neighbours(), world.orchestrator():
        suite_id = await world.create_suite(speech(file_id))
        run_id = await world.create_run(suite_id)
        await world.ended(run_id)
        world.caller = ELSEWHERE
        assert await refusal(world, run_id) == (Kind.NOT_FOUND, "RUN_NOT_FOUND")

        request = share_service_pb2.CreateSuiteShareRequest(suite_id=suite_id, org_id="elsewhere")
        with calling_as(replace(CALLER, on_behalf_of="", is_org_admin=True)):
            await world.shares.CreateSuiteShare(request)

        assert (await audio(world, run_id)).audio == URI
