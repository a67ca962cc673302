"""What paths tell."""

from datetime import UTC, datetime

import pytest

from importer.domain.harness import paths
from importer.domain.harness.paths import FileNotInRepo

MOMENT = "2026-10-09T00-14-03.525271"


@pytest.mark.parametrize(
    "name",
    ["samples.jsonl", "a/samples_x.jsonl", "a/x_samples.jsonl", "a/samples_x.jsonl.gz"],
)
def test_a_samples_file_is_known_by_its_name(name: str) -> None:
    assert paths.is_samples_file(name)


@pytest.mark.parametrize("name", ["results.json", "samples.json", "mysamples.jsonl", "x.jsonl"])
def test_other_files_are_left_alone(name: str) -> None:
    assert not paths.is_samples_file(name)


def test_files_are_found_below_a_plain_prefix_in_the_order_of_their_bytes() -> None:
    listed = ["b/samples.jsonl", "Z/samples.jsonl", "b/other.jsonl", "ä/samples.jsonl"]

    assert paths.chosen_files(listed, prefix="", named=[]) == [
        "Z/samples.jsonl",
        "b/samples.jsonl",
        "ä/samples.jsonl",
    ]
    assert paths.chosen_files(listed, prefix="b/sam", named=[]) == ["b/samples.jsonl"]


def test_named_files_keep_their_order_and_must_be_there() -> None:
    listed = ["a.jsonl", "b.jsonl"]

    found = paths.chosen_files(listed, prefix="zzz", named=["b.jsonl", "a.jsonl", "b.jsonl"])
    with pytest.raises(FileNotInRepo):
        paths.chosen_files(listed, prefix="", named=["c.jsonl"])

    assert found == ["b.jsonl", "a.jsonl"]


def test_the_task_stands_between_the_first_and_the_last_underscore_before_a_date() -> None:
    assert paths.task_in_name(f"m/samples_mmlu_pro_law_{MOMENT}.jsonl") == "mmlu_pro_law"
    assert paths.task_in_name("m/samples_mmlu_pro.jsonl") == ""
    assert paths.task_of_name("m/samples_mmlu_pro.jsonl") == "mmlu_pro"
    assert paths.task_of_name("m/mmlu_samples.jsonl.gz") == "mmlu"
    assert paths.task_of_name("m/law/samples.jsonl") == "law"


def test_the_time_in_a_name_is_utc() -> None:
    then = datetime(2026, 10, 9, 0, 14, 3, 525271, tzinfo=UTC)

    assert paths.time_of(f"m/samples_a_{MOMENT}.jsonl") == then
    assert paths.time_of("m/samples_a_2026-13-09T00-14-03.jsonl") is None


def test_the_model_is_in_the_nearest_folder_with_two_underscores_else_in_the_path() -> None:
    model = paths.model_of_folder
    assert model("x/org__model/deep/samples_a.jsonl", prefix="", above=False) == "org/model"
    assert model("qwen/ur/task/samples.jsonl", prefix="qwen/", above=True) == "ur"
    assert model("qwen/ur/task/samples.jsonl", prefix="qwen/ur/", above=True) == "qwen/ur"
    assert model("qwen/ur/samples_a.jsonl", prefix="", above=False) == "qwen/ur"


def test_the_aggregated_file_is_the_one_of_the_same_moment_or_the_only_one() -> None:
    path = f"out/org__m/samples_a_{MOMENT}.jsonl"
    same, other = f"out/org__m/results_{MOMENT}.json", "out/org__m/results_2020-01-01T00-00-00.json"
    on_the_hub = f"out/org/m/results_{MOMENT}.json"

    assert next(paths.results_files(path, [other, same])) == same
    assert next(paths.results_files(path, [on_the_hub, other])) == on_the_hub
    assert list(paths.results_files(path, [other])) == [other]
    assert (
        list(paths.results_files("a/samples_b.jsonl", ["a/results_1.json", "a/results_2.json"]))
        == []
    )
