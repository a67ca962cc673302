"""Programs to be checked and what was found."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from grader.domain.outcome import Failure
from grader.domain.result import InvalidResult
from grader.domain.strict_json import Json
from servicekit.errors import Kind, ServiceError

PROGRAMS_MAX = 1_000
MESSAGE_CHARS_MAX = 1_000


class TooManyPrograms(ServiceError):
    """More programs in one request than are checked at once; none was."""

    kind = Kind.INVALID_ARGUMENT
    reason = "TOO_MANY_PROGRAMS"


class ProgramKind(StrEnum):
    """What a program is, as the jail calls it."""

    GRADER = "grader"
    PREPROCESSOR = "preprocessor"
    TEMPLATE = "template"
    PATTERN = "pattern"


# What a program of each kind has when checking it fails as such.
_REASONS = {
    ProgramKind.GRADER: "GRADER_INVALID",
    ProgramKind.PREPROCESSOR: "PREPROCESSOR_INVALID",
    ProgramKind.TEMPLATE: "TEMPLATE_SYNTAX",
    ProgramKind.PATTERN: "BAD_REGEX",
}
_KNOWN_REASONS = frozenset(_REASONS.values()) | {"GRADER_ENTRYPOINT_MISSING"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One program; fields as in `proctor.sandbox.v1.Program`."""

    path: str
    kind: ProgramKind
    source: str
    contract: str
    group_json: str


@dataclass(frozen=True, slots=True)
class Found:
    """One problem of one program."""

    path: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """All problems in order of the programs, and the entry points of each grader in order."""

    violations: Sequence[Found]
    entrypoints: Sequence[str]


def joined(verdicts: Sequence[Verdict]) -> Verdict:
    """One verdict on all programs out of one each."""
    return Verdict(
        [found for verdict in verdicts for found in verdict.violations],
        [entry for verdict in verdicts for entry in verdict.entrypoints],
    )


def uncheckable(program: Program, failure: Failure) -> Verdict:
    """The verdict on a program whose check itself was ended: such a program is not taken."""
    found = Found(program.path, _REASONS[program.kind], f"it cannot be checked: {failure.message}")
    return Verdict([found], [""] if program.kind is ProgramKind.GRADER else [])


def read_verdict(value: Json, programs: Sequence[Program]) -> Verdict:
    """Check a reported verdict on `programs`.

    Raises:
        InvalidResult: it is none.
    """
    violations, entrypoints = _lists(value)
    paths = {program.path for program in programs}
    found = [_read_found(one, paths) for one in violations]
    graders = sum(program.kind is ProgramKind.GRADER for program in programs)
    if len(entrypoints) != graders or not all(isinstance(entry, str) for entry in entrypoints):
        raise InvalidResult("the verdict does not name each grader's entry points")
    return Verdict(found, [str(entry) for entry in entrypoints])


def _lists(value: Json) -> tuple[list[Json], list[Json]]:
    if isinstance(value, dict):
        violations, entrypoints = value.get("violations"), value.get("entrypoints")
        if isinstance(violations, list) and isinstance(entrypoints, list):
            return violations, entrypoints
    raise InvalidResult("the verdict cannot be read")


def _read_found(value: Json, paths: set[str]) -> Found:
    if not isinstance(value, dict):
        raise InvalidResult("a violation is not an object")
    path, reason, message = (value.get(key) for key in ("path", "reason", "message"))
    if not isinstance(path, str) or path not in paths:
        raise InvalidResult("a violation has no program")
    if reason not in _KNOWN_REASONS or not isinstance(reason, str) or not isinstance(message, str):
        raise InvalidResult("a violation cannot be read")
    return Found(path, reason, message[:MESSAGE_CHARS_MAX])
