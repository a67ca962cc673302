import io
import json
from pathlib import Path

import pytest
from pydantic import JsonValue

from cli.errors import NothingGraded
from cli.trials.samples import GivenSample, facts_of, many_samples, numbered, single_sample


def one(sample: str | None = None, **short: str | None) -> GivenSample:
    options: dict[str, str | None] = {"row": None, "output": None, "target": None}
    return single_sample(sample, **(options | short))


def lines(folder: Path, *samples: JsonValue) -> Path:
    path = folder / "samples.jsonl"
    path.write_text("".join(json.dumps(sample) + "\n" for sample in samples))
    return path


def said(error: pytest.ExceptionInfo[NothingGraded]) -> str:
    return "\n".join([error.value.message, *error.value.details])


def test_the_short_options_are_a_whole_sample() -> None:
    sample = one(output="42", target="41", row='{"question": "6 * 7"}')

    assert (sample.output_text, sample.target) == ("42", "41")
    assert sample.columns == {"question": "6 * 7"}


def test_a_short_option_goes_before_the_sample() -> None:
    sample = one('{"output_text": "1", "prompt": "p", "dataset_row": {"a": 1}}', row='{"a": 2}')

    assert (sample.output_text, sample.prompt, sample.columns) == ("1", "p", {"a": 2})


def test_a_sample_comes_from_a_file_or_the_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one.json").write_text('{"output_text": "file"}')
    standard = io.TextIOWrapper(io.BytesIO(b'{"output_text": "stdin"}'))
    monkeypatch.setattr("sys.stdin", standard)

    assert one(f"@{tmp_path}/one.json").output_text == "file"
    assert one("-").output_text == "stdin"


@pytest.mark.parametrize(
    ("sample", "sentence"),
    [
        ('{"outputtext": "1"}', "sample.outputtext is not a known field (did you mean `output_"),
        ('{"target": 4}', "sample.target must be text"),
        ('{"row": [1]}', "sample.row must be an object"),
        ('{"usage": {"input_tokens": -1}}', "sample.usage.input_tokens must be at least 0"),
        ('{"usage": {"tokens": 1}}', "sample.usage.tokens is not a known field"),
        ('{"choices": ["a", 1]}', "sample.choices[1] must be text"),
        ('{"row": {}, "dataset_row": {}}', "sample.dataset_row is the same as `row`"),
        ('{"extracted_output": "1"}', "sample.extracted_output is what the extraction finds"),
        ('{"output_text": NaN}', "--sample.output_text is not a finite number"),
        ("{'a': 1}", "--sample is not valid JSON"),
        ("[1]", "--sample must be a JSON object"),
        ("@no-such-file.json", "no-such-file.json cannot be read: No such file or directory."),
    ],
)
def test_what_cannot_be_a_sample_is_refused_with_its_field(sample: str, sentence: str) -> None:
    with pytest.raises(NothingGraded) as refused:
        one(sample)

    assert sentence in said(refused)
    assert refused.value.exit_code == 2


def test_every_problem_of_a_file_is_told_with_its_line(tmp_path: Path) -> None:
    path = lines(tmp_path, {"output_text": "1"}, {"outptu_text": "1"}, {"target": 1})

    with pytest.raises(NothingGraded) as refused:
        many_samples(path)

    assert "line 2: sample.outptu_text is not a known field" in said(refused)
    assert "line 3: sample.target must be text" in said(refused)


def test_blank_lines_of_a_file_count_in_its_line_numbers_only(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_text('\n{"output_text": "1"}\r\n\n{"output_text": "2"}')

    assert [(sample.id, sample.output_text) for sample in many_samples(path)] == [
        ("sample-0", "1"),
        ("sample-1", "2"),
    ]


def test_a_file_without_samples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NothingGraded, match="has no samples"):
        many_samples(lines(tmp_path))


def test_a_stored_sample_is_reduced_to_what_graders_receive(tmp_path: Path) -> None:
    stored: JsonValue = {
        "object": "eval.sample", "id": "eval_sample_7", "run_id": "eval_run_1", "task_id": "sums",
        "model": "small", "sample_index": 7, "status": "failed", "dataset_row": {"q": "1 + 1"},
        "prompt": "1 + 1?", "target": "2", "response_id": None, "output_text": "two",
        "reasoning": "secret", "extracted_output": "2", "scores": {}, "judge": None,
        "error": {"code": "grader_error"}, "cost_usd": None, "input_tokens": 5,
        "output_tokens": None, "cached_tokens": None, "reasoning_tokens": None,
        "tokens_estimated": False, "phase_timings": None, "created_at": 1, "started_at": 1,
        "completed_at": 1,
    }  # fmt: skip

    (sample,) = many_samples(lines(tmp_path, stored))

    assert (sample.id, sample.sample_index) == ("eval_sample_7", 7)
    assert (sample.columns, sample.output_text, sample.target) == ({"q": "1 + 1"}, "two", "2")
    assert sample.usage.input_tokens == 5
    assert sample.extracted_output is None
    assert facts_of([sample], task_id="trial").task_id == "sums"


@pytest.mark.parametrize("key", [{"id": "a"}, {"sample_index": 3}])
def test_two_samples_with_one_name_are_refused(key: dict[str, JsonValue]) -> None:
    twins = [GivenSample.model_validate(key) for _ in range(2)]

    with pytest.raises(NothingGraded, match="Two samples have the id"):
        numbered(twins)


def test_samples_of_two_models_are_refused() -> None:
    samples = [GivenSample.model_validate({"model": model}) for model in ("a", "b")]

    with pytest.raises(NothingGraded, match=r"more than one `model` \(a, b\)"):
        facts_of(samples, task_id="trial")


def test_what_samples_do_not_say_of_their_run_has_a_default() -> None:
    facts = facts_of([GivenSample.model_validate({"model": "small"})], task_id="sums")

    assert (facts.run_id, facts.task_id, facts.model) == ("trial", "sums", "small")
