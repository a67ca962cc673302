from collections.abc import Callable, Mapping

import pytest

from servicekit.errors import Violation

ProblemsOfTask = Callable[[Mapping[str, object]], list[Violation]]


@pytest.mark.parametrize(
    ("extraction", "field", "reason"),
    [
        ({}, "type", "INVALID_MANIFEST"),
        ({"type": "first_word"}, "type", "INVALID_MANIFEST"),
        ({"type": "regex"}, "pattern", "INVALID_MANIFEST"),
        ({"type": "regex", "pattern": "a", "flags": "ik"}, "flags", "BAD_REGEX"),
        ({"type": "regex", "pattern": "a", "flags": 3}, "flags", "INVALID_MANIFEST"),
        ({"type": "regex", "pattern": "a", "group": True}, "group", "INVALID_MANIFEST"),
        ({"type": "regex", "pattern": "a", "group": 1.5}, "group", "INVALID_MANIFEST"),
        ({"type": "regex_last", "pattern": "a", "group": -1}, "group", "BAD_REGEX"),
        ({"type": "regex_last", "pattern": "a", "group": ""}, "group", "BAD_REGEX"),
        ({"type": "take_first", "pattern": "a"}, "pattern", "UNKNOWN_FIELD"),
        ({"type": "label_set", "labels": ["Yes", "yes"]}, "labels[1]", "INVALID_MANIFEST"),
        ({"type": "label_set", "labels": ["a", " "]}, "labels[1]", "INVALID_MANIFEST"),
        ({"type": "label_set", "labels": ["a", 3]}, "labels[1]", "INVALID_MANIFEST"),
        ({"type": "label_set", "labels": "ab"}, "labels", "INVALID_MANIFEST"),
    ],
)
def test_a_bad_extraction_is_refused_at_the_field_that_is_wrong(
    extraction: dict[str, object], field: str, reason: str, problems_of_task: ProblemsOfTask
) -> None:
    [problem] = problems_of_task({"output_extraction": extraction})

    assert problem.path == f"manifest.tasks[0].output_extraction.{field}"
    assert problem.reason == reason


@pytest.mark.parametrize(
    "extraction",
    [
        {"type": "regex", "pattern": "(?<n>a)", "group": "n", "flags": "imsxgu"},
        {"type": "regex_last", "pattern": "a", "group": 0},
        {"type": "label_set", "labels": ["Yes", "yes"], "case_sensitive": True},
        {"type": "number"},
        {"type": "none"},
    ],
)
def test_a_good_extraction_passes(
    extraction: dict[str, object], problems_of_task: ProblemsOfTask
) -> None:
    assert problems_of_task({"output_extraction": extraction}) == []


def test_an_extraction_that_is_no_object_is_refused(problems_of_task: ProblemsOfTask) -> None:
    [problem] = problems_of_task({"output_extraction": "number"})

    assert problem.message == "manifest.tasks[0].output_extraction must be an object"
