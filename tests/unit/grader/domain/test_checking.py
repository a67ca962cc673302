import pytest

from grader.domain.checking import (
    Found,
    Program,
    ProgramKind,
    Verdict,
    joined,
    read_verdict,
    uncheckable,
)
from grader.domain.outcome import Failure, Outcome
from grader.domain.result import InvalidResult
from grader.domain.strict_json import Json


def program(kind: ProgramKind, path: str = "here") -> Program:
    return Program(path=path, kind=kind, source="", contract="", group_json="")


GRADER = program(ProgramKind.GRADER)


def test_a_verdict_is_taken_as_it_is() -> None:
    verdict = read_verdict(
        {
            "violations": [{"path": "here", "reason": "BAD_REGEX", "message": "m" * 5_000}],
            "entrypoints": ["grade"],
        },
        [GRADER],
    )

    assert verdict == Verdict([Found("here", "BAD_REGEX", "m" * 1_000)], ["grade"])


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"violations": {}, "entrypoints": []},
        {"violations": [], "entrypoints": []},
        {"violations": [], "entrypoints": [1]},
        {"violations": [1], "entrypoints": [""]},
        {"violations": [{"path": "elsewhere"}], "entrypoints": [""]},
        {"violations": [{"path": "here", "reason": "X", "message": ""}], "entrypoints": [""]},
        {"violations": [{"path": "here", "reason": "BAD_REGEX"}], "entrypoints": [""]},
    ],
)
def test_anything_else_is_no_verdict(value: Json) -> None:
    with pytest.raises(InvalidResult):
        read_verdict(value, [GRADER])


@pytest.mark.parametrize(
    ("kind", "reason", "entrypoints"),
    [
        (ProgramKind.GRADER, "GRADER_INVALID", [""]),
        (ProgramKind.PREPROCESSOR, "PREPROCESSOR_INVALID", []),
        (ProgramKind.TEMPLATE, "TEMPLATE_SYNTAX", []),
        (ProgramKind.PATTERN, "BAD_REGEX", []),
    ],
)
def test_a_program_that_ended_its_own_check_is_not_taken(
    kind: ProgramKind, reason: str, entrypoints: list[str]
) -> None:
    failure = Failure(Outcome.CRASHED, "grader_crashed", "it crashed")

    verdict = uncheckable(program(kind), failure)

    assert verdict.violations == [Found("here", reason, "it cannot be checked: it crashed")]
    assert verdict.entrypoints == entrypoints


def test_verdicts_join_in_their_order() -> None:
    one, two = Found("a", "BAD_REGEX", "m"), Found("b", "BAD_REGEX", "m")

    assert joined([Verdict([one], ["x"]), Verdict([two], [])]) == Verdict([one, two], ["x"])
