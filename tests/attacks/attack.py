"""What an attack is: a small hostile program, and what must become of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from grader.domain.isolation import Isolation

# Words for how an attack ended besides the outcomes of an execution (`timeout`, `crashed`, ...).
REFUSED = "refused"  # the program ran to its end and says that it could not do it
WORKED = "worked"  # it says that it could
PREPARED = "prepared"  # a preparation made its items
ROW_FAILED = "row_failed"  # it made them, and the attacker's row carries an error
FOUND = "found"  # a check named a problem of the program
ACCEPTED = "accepted"  # a check found none


@dataclass(frozen=True, slots=True, kw_only=True)
class Grader:
    """A grader: it has the names of `harness/inside.py` at hand and defines some of them anew.

    `attack` does the act and returns whether it worked; an OSError counts as a refusal. `probe`
    runs as the next sample of the same jail and returns whether it finds traces. `alone`: the
    program harms each of its own executions, so no sibling is graded beside it. `together`: one
    execution grades the whole batch.
    """

    source: str
    alone: bool = False
    together: bool = False
    models: bool = False
    extraction: Mapping[str, object] | None = None
    text: str = "42"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """A task whose rows are prepared: members of the manifest's task object, and rows."""

    task: Mapping[str, object]
    rows: Sequence[Mapping[str, object]] = ({"x": "1"},)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A program that is only checked: its `kind` as in `ProgramKind`."""

    kind: str
    source: str
    contract: str = ""


Program: TypeAlias = Grader | Preparation | Check


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One attack. `also` is a second way it may end; `because` says why both are right.

    `says` is a part of what is reported with it, where the word alone would not tell two endings
    apart. `wall_s` is the time limit of the execution. `only` names the one way of isolation that
    it is about. `with_files` is how it ends where it may write files, if that is another way.
    """

    name: str
    why: str
    program: Program
    expected: str
    also: str = ""
    because: str = ""
    says: str = ""
    wall_s: float = 5.0
    only: Isolation | None = None
    with_files: str = ""

    def __post_init__(self) -> None:
        assert bool(self.also) == bool(self.because), f"{self.name}: a second way needs a reason"

    def accepted(self, isolation: Isolation) -> frozenset[str]:
        """The words it may end with."""
        if isolation is Isolation.FILES and self.with_files:
            return frozenset([self.with_files])
        return frozenset(filter(None, (self.expected, self.also)))

    def makes_sense(self, isolation: Isolation) -> bool:
        """Whether it is another attack when its program runs in this way.

        Only graders run one sample after the other, and only what runs a program can give it files.
        """
        if self.only is not None or isolation is Isolation.FRESH:
            return isolation is (self.only or Isolation.FRESH)
        if isolation is Isolation.PRELOAD:
            return isinstance(self.program, Grader) and not self.program.together
        if isinstance(self.program, Preparation):
            return "preprocess" in self.program.task
        return isinstance(self.program, Grader)


def refused(
    name: str, why: str, source: str, *, only: Isolation | None = None, with_files: str = ""
) -> Attack:
    """An attack by a grader that must find its way barred and live to say so."""
    return Attack(
        name=name,
        why=why,
        program=Grader(source=source),
        expected=REFUSED,
        only=only,
        with_files=with_files,
    )


def killed(name: str, why: str, source: str) -> Attack:
    """An attack by a grader that must end in the middle of the act, as a violation."""
    return Attack(name=name, why=why, program=Grader(source=source), expected="sandbox_violation")
