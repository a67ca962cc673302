"""Model, task, time and the task of a manifest."""

import json
from datetime import UTC, datetime

import pytest

from hub.harness import MOMENT, choice, generation, results, simplified
from importer.domain.harness.origin import Origin, generation_of, origin_of, task_json
from importer.domain.harness.results import Results, results_of
from importer.domain.harness.survey import Survey
from manifest.parsing import parse_manifest

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SOURCE = {"path": "owner/repo", "revision": "c" * 40, "data_files": "a/samples_b.jsonl"}


def survey_of(*rows: object) -> Survey:
    survey = Survey()
    for row in rows:
        survey.add(row)
    return survey


def origin(path: str, survey: Survey, beside: Results | None = None, prefix: str = "") -> Origin:
    return origin_of(path, survey, beside or Results(), prefix=prefix, now=NOW)


@pytest.mark.parametrize(
    ("document", "model"),
    [
        ({"model_name": "a/b", "config": {"model_args": "pretrained=c/d"}}, "a/b"),
        ({"model_name": "", "config": {"model_args": "dtype=x, pretrained=c/d,x=1"}}, "c/d"),
        ({"model_name": None, "config": {"model_args": {"model": "e/f"}}}, "e/f"),
        ({"model_name": None, "config": {"model": "hf"}}, "hf"),
        ({"model_name": 7, "config": []}, ""),
    ],
)
def test_the_aggregated_file_tells_the_model(document: dict[str, object], model: str) -> None:
    assert results_of(results("ignored", **document)).model == model


def test_an_aggregated_file_that_cannot_be_read_tells_nothing() -> None:
    for content in (b"", b"[]", b"{", results("m", date=float("nan")).replace(b"m", b"\xff")):
        assert results_of(content) == Results()


def test_the_aggregated_file_goes_before_the_row_and_the_row_before_the_folder() -> None:
    rows = survey_of(simplified(0, 1.0, model="row/model", task="row task"))

    assert origin("org__m/samples.jsonl", rows, Results(model="a/b")).model == "a/b"
    assert origin("org__m/samples.jsonl", rows).model == "row/model"
    assert origin("org__m/samples.jsonl", rows).task_id == "row_task"
    assert origin("org__m/task/samples.jsonl", survey_of(simplified(0, 1.0))).model == "org/m"


def test_the_time_is_of_the_name_then_of_the_results_then_now_and_never_later() -> None:
    rows, date = survey_of(simplified(0, 1.0)), datetime(2025, 1, 1, tzinfo=UTC)

    assert origin(f"m/samples_a_{MOMENT}.jsonl", rows).time.isoformat() == (
        "2026-03-01T10:20:30.123456+00:00"
    )
    assert origin("m/samples_a.jsonl", rows, Results(date=date)).time == date
    assert origin("m/samples_a.jsonl", rows).time == NOW
    assert origin("m/samples_a_2099-01-01T00-00-00.jsonl", rows).time == NOW


def test_known_settings_of_the_generation_are_kept_when_they_are_sound() -> None:
    settings = {"until": ["x"], "max_gen_toks": 7, "temperature": 9, "do_sample": "no", "x": 1}
    call = {"gen_args_0": {"arg_0": "p", "arg_1": settings}}

    found = generation_of(survey_of(generation(0, "a", "a", arguments=call)))

    assert found == {"until": ["x"], "max_gen_toks": 7}


def test_settings_as_long_as_a_book_are_left_out() -> None:
    settings = {"until": ["x" * 70_000], "max_gen_toks": 7}
    call = {"gen_args_0": {"arg_0": "p", "arg_1": settings}}

    found = generation_of(survey_of(generation(0, "a", "a", arguments=call)))

    assert found == {"max_gen_toks": 7}


def test_the_task_is_one_that_a_manifest_takes() -> None:
    rows = survey_of(choice(0, 1, 1, metrics=["acc", "wer", "bleu"], wer=0.5, bleu=["a"]))
    beside = Results(directions={"law, modern": {"wer": False}})
    of_file = origin(f"m/samples_law, modern_{MOMENT}.jsonl", rows, beside)
    document = json.loads(task_json(of_file, rows, beside, SOURCE))

    (task,) = parse_manifest(json.dumps({"tasks": [document]}).encode()).tasks

    assert (task.id, task.name, task.type) == ("law__modern", "law, modern", "multiple_choice")
    assert [
        (metric.id, metric.aggregation, metric.higher_is_better) for metric in task.metrics or ()
    ] == [
        ("score", "mean", True),
        ("acc", "mean", True),
        ("wer", "mean", False),
        ("bleu", "none", True),
    ]
    assert task.dataset.path == "owner/repo"
