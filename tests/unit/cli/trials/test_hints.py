import pytest

from cli.trials.hints import hint_of
from cli.trials.results import Problem


def hint(message: str, *, code: str = "invalid_grader_result") -> str:
    return hint_of(Problem(code=code, message=message, stage="score", traceback=""))


@pytest.mark.parametrize(
    "message",
    [
        "a grader returns a number or an object, not float32",
        "the score 'score' is int64, not a number",
        "a grader returns a number or an object, not ndarray",
    ],
)
def test_a_number_of_numpy_is_to_be_made_one_of_python(message: str) -> None:
    assert hint(message).endswith("return float(value)")


def test_writing_is_for_another_isolation() -> None:
    message = "OSError: [Errno 30] Read-only file system: '/tmp/x'"

    assert hint(message, code="grader_error").endswith("--isolation files")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("a grader returns a number or an object, not str", "invalid_grader_result"),
        ("ValueError: not float32", "grader_error"),
        ("", "grader_timeout"),
    ],
)
def test_of_other_failures_nothing_is_guessed(message: str, code: str) -> None:
    assert hint(message, code=code) == ""
