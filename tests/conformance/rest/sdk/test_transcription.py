"""Transcription tasks and the audio of samples, through the published client."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from meetkai_mka1 import SDK
from meetkai_mka1.errors import SDKError

from e2e import work
from e2e.stack import Stack
from load.mock_speech import recording

Json = dict[str, Any]

WORD_ERROR_RATE = """
def grade(sample, item):
    said, heard = item["target"].split(), (sample["extracted_output"] or "").split()
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return {"wer": row[-1] / len(said), "row_chars": len(str(item["row"]))}
"""


def uri(text: str, *, size: int = 0) -> str:
    return f"data:audio/wav;base64,{base64.b64encode(recording(text, size=size)).decode()}"


def speech_task(file_id: str, **changes: object) -> Json:
    return {
        "id": "speech",
        "type": "transcription",
        "dataset": {"file_id": file_id, "format": "jsonl", "audio_column": "clip"},
        "target_template": "{{text}}",
        "language": "uk",
        "metrics": [{"id": "wer", "higher_is_better": False}],
        "grader": {"type": "python", "source": WORD_ERROR_RATE, "timeout_seconds": 20},
        **changes,
    }


@dataclass(frozen=True)
class Finished:
    """A run of a transcription task by three models, and a task of another type with audio."""

    sdk: SDK
    rows: list[Json]
    suite_id: str
    run: Any

    def samples(self, **filters: object) -> list[Any]:
        return work.samples(self.sdk, self.run.id, **filters)

    def audio(self, index: int, **filters: Any) -> Any:
        return self.sdk.llm.evals.get_sample_audio(
            run_id=self.run.id, sample_index=index, **filters
        )

    def refused(self, index: int, **filters: Any) -> tuple[int, str, str | None]:
        """Status, reason and parameter of a question for audio that is refused."""
        with pytest.raises(SDKError) as refused:
            self.audio(index, **filters)
        error = json.loads(refused.value.body)["error"]
        return refused.value.status_code, error["reason"], error["param"]


@pytest.fixture(scope="module")
def finished(stack: Stack) -> Iterator[Finished]:
    place = stack.speech.url
    rows: list[Json] = [
        {"clip": uri("one two three four"), "text": "one two three four"},
        {"clip": f"{place}/audio/five%20six.wav", "text": "five six"},
        {"clip": {"path": "a.wav", "bytes": uri("seven").partition(",")[2]}, "text": "seven"},
        {"clip": [{"src": f"{place}/moved.wav?to=/audio/eight.wav"}], "text": "eight"},
        # As much as a row may have: 3 MiB of audio.
        {"clip": uri("nine", size=3 * 1024 * 1024 - 20_000), "text": "nine"},
        # As much as a transcription may have, by its place.
        {"clip": f"{place}/audio/ten.wav?size={25 * 1024 * 1024}", "text": "ten"},
        {"clip": f"{place}/gone.wav", "text": "x"},
        {"clip": f"{place}/page.wav", "text": "x"},
        {"clip": f"{place}/large.wav", "text": "x"},
        {"clip": "http://127.0.0.1:9/x.wav", "text": "x"},
        {"clip": "data:audio/flac;base64,ZkxhQw==", "text": "x"},
        {"clip": None, "text": "x"},
    ]
    with stack.sdk() as sdk:
        file_id = work.upload_rows(sdk, rows)
        other = speech_task(
            file_id, id="other", type="qa", prompt_template="1 + 1", dataset={"file_id": file_id}
        )
        suite_id = work.create_suite(sdk, speech_task(file_id), other)
        created = sdk.llm.evals.create_run(
            suite_id=suite_id,
            models=["ears", "deaf", "whisper"],
            task_ids=["speech"],
            generation={"max_retries": 1, "timeout_seconds": 60},
        )
        yield Finished(sdk, rows, suite_id, work.wait(sdk, created.id, seconds=120))


def test_each_model_writes_down_what_is_spoken_and_is_graded(finished: Finished) -> None:
    spoken = ["one two three four", "five six", "seven", "eight", "nine", "ten"]
    assert finished.run.status == "completed", finished.run.error
    assert finished.run.request_counts.model_dump() == {"total": 36, "completed": 18, "failed": 18}
    for model in ("ears", "whisper"):
        heard = finished.samples(model=model, status="completed")
        assert [sample.output_text for sample in heard] == spoken
        assert {sample.scores["wer"] for sample in heard} == {0.0}
    deaf = finished.samples(model="deaf", status="completed")
    assert [sample.output_text for sample in deaf] == ["one two three", "five", "", "", "", ""]
    assert [sample.scores["wer"] for sample in deaf] == [0.25, 0.5, 1, 1, 1, 1]
    metrics = finished.run.metrics["by_task"]["speech"]
    assert metrics["deaf"]["score"] == pytest.approx(4.75 / 6)
    assert metrics["ears"]["metrics"]["wer"]["higher_is_better"] is False


def test_samples_of_speech_have_no_prompt_and_no_reasoning(finished: Finished) -> None:
    for sample in finished.samples(model="ears", include_reasoning=True):
        assert (sample.prompt, sample.reasoning, sample.response_id) == ("", None, None)


def test_tokens_of_speech_are_not_made_up(finished: Finished) -> None:
    sdk, suite_id = finished.sdk, finished.suite_id
    measured = sdk.llm.evals.measure_suite_tokens(suite_id=suite_id)

    assert (measured.measured_runs, measured.remaining_runs) == (0, 0)
    for sample in finished.samples():
        assert (sample.input_tokens, sample.output_tokens) == (None, None)
        assert not sample.tokens_estimated


def test_providers_get_the_language_and_the_file_each_in_its_own_way(
    finished: Finished, stack: Stack
) -> None:
    heard = [told for told in stack.speech.heard() if told["text"] == "five six"]

    assert {
        (str(told["path"]), json.dumps(told["query"]), json.dumps(told["form"])) for told in heard
    } == {
        ("/v1/speech/transcriptions", '{"model": "ears", "language": "uk"}', "{}"),
        ("/v1/speech/transcriptions", '{"model": "deaf", "language": "uk"}', "{}"),
        (
            "/v1/audio/transcriptions",
            "{}",
            '{"model": "whisper", "language": "uk", "response_format": "json"}',
        ),
    }
    assert {told["filename"] for told in heard} == {"audio.wav"}


def test_what_cannot_be_written_down_fails_with_a_code_that_says_why(finished: Finished) -> None:
    failed = finished.samples(model="ears", status="failed")

    assert [(s.error["code"], s.error["stage"]) for s in failed] == [
        ("audio_unreachable", "generate"),
        ("audio_invalid", "generate"),
        ("audio_too_large", "generate"),
        ("audio_unreachable", "generate"),
        ("model_http_400", "generate"),
        ("audio_missing", "prepare"),
    ]
    assert failed[0].error["message"].endswith("its server answered 404")
    assert failed[3].error["message"].endswith("its address is not public")


def test_neither_lists_nor_graders_get_the_audio(finished: Finished) -> None:
    first, second, third, *_ = finished.samples(model="ears", status="completed")

    assert first.dataset_row["clip"] == "data:audio/wav;base64,[redacted]"
    assert second.dataset_row["clip"] == finished.rows[1]["clip"]
    assert third.dataset_row["clip"] == {"path": "a.wav", "bytes": "[redacted]"}
    for sample in finished.samples(status="completed"):
        assert sample.scores["row_chars"] < 200


def test_the_audio_of_a_sample_is_there_as_a_whole(finished: Finished) -> None:
    for index in (0, 1, 4):
        found = finished.audio(index)
        assert found.audio == finished.rows[index]["clip"]
        assert (found.sample_index, found.task_id, found.model) == (index, "speech", "ears")
    assert finished.audio(0, model="deaf", task_id="speech").model == "deaf"
    assert finished.audio(2).audio == uri("seven")


def test_audio_that_is_not_there_is_a_404(finished: Finished) -> None:
    assert finished.refused(11) == (404, "audio_not_found", None)
    assert finished.refused(12) == (404, "sample_not_found", None)
    assert finished.refused(0, model="nobody") == (404, "sample_not_found", None)
    assert finished.refused(0, task_id="other") == (404, "sample_not_found", None)
    with pytest.raises(SDKError) as refused:
        finished.sdk.llm.evals.get_sample_audio(run_id="eval_run_" + "0" * 32, sample_index=0)
    assert refused.value.status_code == 404


def test_an_index_that_is_no_index_is_a_400(finished: Finished) -> None:
    assert finished.refused(-1) == (400, "invalid_parameter", "sample_index")
    assert finished.refused(2**31) == (400, "invalid_parameter", "sample_index")


def test_an_index_of_several_tasks_needs_the_task(finished: Finished) -> None:
    created = finished.sdk.llm.evals.create_run(
        suite_id=finished.suite_id, models=["adder"], max_samples_per_task=2
    )
    run = work.wait(finished.sdk, created.id)
    both = Finished(finished.sdk, finished.rows, finished.suite_id, run)

    assert both.refused(0) == (400, "sample_ambiguous", "task_id")
    # The other task names no column; its audio is found all the same.
    for task_id in ("speech", "other"):
        assert both.audio(0, task_id=task_id).audio == finished.rows[0]["clip"]
    assert both.audio(1, task_id="other").audio == finished.rows[1]["clip"]


def test_a_model_that_writes_nothing_down_fails_its_samples(finished: Finished) -> None:
    created = finished.sdk.llm.evals.create_run(
        suite_id=finished.suite_id,
        models=["vectors", "nobody"],
        task_ids=["speech"],
        max_samples_per_task=1,
    )
    run = work.wait(finished.sdk, created.id)

    codes = [s.error["code"] for s in work.samples(finished.sdk, run.id)]
    assert codes == ["invalid_request", "model_unknown"]


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"dataset": {"file_id": "file_0"}}, "manifest.tasks[0].dataset.audio_column"),
        ({"language": "Ukrainian"}, "manifest.tasks[0].language"),
        ({"grader": None}, "manifest.tasks[0].grader"),
        ({"num_fewshot": 1}, "manifest.tasks[0].num_fewshot"),
    ],
)
def test_a_task_that_cannot_be_run_is_refused(stack: Stack, changes: Json, param: str) -> None:
    manifest = {"tasks": [speech_task("file_0", **changes)]}
    with stack.http() as http:
        answer = http.post("/evals/suites", json={"name": "speech", "manifest": manifest})

    error = answer.json()["error"]
    assert (answer.status_code, error["reason"]) == (400, "invalid_manifest")
    assert param in {detail["path"] for detail in error["details"]}
