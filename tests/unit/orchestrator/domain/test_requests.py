from collections.abc import Iterator

import pytest

from orchestrator.domain import requests
from servicekit.errors import Violation


def reasons(problems: Iterator[Violation]) -> list[str]:
    return [problem.reason for problem in problems]


def test_a_sound_suite_has_no_problems() -> None:
    sound = requests.suite_problems(name="n", description=None, metadata={"k": "v"})

    assert reasons(sound) == []


def test_every_problem_of_a_suite_is_found() -> None:
    problems = requests.suite_problems(
        name="", description="d" * 10_001, metadata={"": "v" * 513, "k" * 65: "\x00"}
    )

    assert reasons(problems) == [
        "INVALID_NAME",
        "INVALID_DESCRIPTION",
        "INVALID_METADATA",
        "INVALID_METADATA",
        "INVALID_METADATA",
    ]


def test_more_than_64_labels_are_one_problem() -> None:
    labels = {str(number): "v" for number in range(64)}

    assert reasons(requests.label_problems(labels)) == []
    assert reasons(requests.label_problems({**labels, "": "v"})) == ["INVALID_METADATA"]


def test_text_that_cannot_be_stored_is_refused() -> None:
    problems = requests.suite_problems(name="a\x00", description="\x00", metadata={})

    assert reasons(problems) == ["INVALID_TEXT", "INVALID_TEXT"]


@pytest.mark.parametrize(
    ("models", "found"),
    [
        (["a"], []),
        ([], ["EMPTY_MODELS"]),
        ([str(n) for n in range(21)], ["TOO_MANY_MODELS"]),
        (["a", "b", "a", "a"], ["DUPLICATE_MODELS"]),
        ([""], ["INVALID_MODEL"]),
        (["a\x00"], ["INVALID_TEXT"]),
    ],
)
def test_problems_of_models(models: list[str], found: list[str]) -> None:
    assert reasons(requests.model_problems(models)) == found


@pytest.mark.parametrize(
    ("model", "found"), [(None, []), ("a", []), ("", ["INVALID_MODEL"]), ("\x00", ["INVALID_TEXT"])]
)
def test_problems_of_a_judge(model: str | None, found: list[str]) -> None:
    assert reasons(requests.helper_model_problems("judge_model", model)) == found


@pytest.mark.parametrize(
    ("task_ids", "found"),
    [
        (None, []),
        (["a", "b"], []),
        ([], ["UNKNOWN_TASK_IDS"]),
        (["a", "a"], ["DUPLICATE_TASK_IDS"]),
        (["x", "y"], ["UNKNOWN_TASK_IDS", "UNKNOWN_TASK_IDS"]),
    ],
)
def test_problems_of_selected_tasks(task_ids: list[str] | None, found: list[str]) -> None:
    assert reasons(requests.task_problems(task_ids, ["a", "b"])) == found


@pytest.mark.parametrize(
    ("wanted", "sound"), [(0, True), (1, True), (1_000, True), (1_001, False), (-1, False)]
)
def test_a_concurrency_is_from_1_to_1000(wanted: int, sound: bool) -> None:  # noqa: FBT001
    problems = reasons(requests.concurrency_problems("generation_concurrency", wanted))

    assert problems == ([] if sound else ["INVALID_CONCURRENCY"])


@pytest.mark.parametrize(("cap", "found"), [(None, []), (1, []), (0, ["INVALID_CAP"])])
def test_a_cap_is_at_least_1(cap: int | None, found: list[str]) -> None:
    assert reasons(requests.cap_problems(cap)) == found


def test_a_refusal_has_the_first_reason_and_all_problems() -> None:
    problems = requests.model_problems(["", ""])

    with pytest.raises(requests.RequestInvalid) as refused:
        requests.require(problems)

    assert refused.value.reason == "DUPLICATE_MODELS"
    assert refused.value.metadata["param"] == "models"
    assert len(refused.value.violations) == 2


def test_without_problems_nothing_happens() -> None:
    requests.require(iter(()))
