"""Fetch the programs of a run's tasks and check them, before any row is touched."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from manifest.programs import Program, ProgramKind
from manifest.references import PROGRAM_FILE_BYTES_MAX
from manifest.schema import Grader, Preprocessor, Task, normalised_json
from orchestrator.domain.failure import Failure, RunFailed, run_failure_code
from orchestrator.ports.services import Files, Sandbox
from orchestrator.usecases.failures import as_run_failure, failed_with
from servicekit.errors import ServiceError

_STAGE = "prepare"
_PREPROCESSOR = "preprocess"
_GRADER = "grader"

AnyProgram = TypeVar("AnyProgram", Grader, Preprocessor)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyTask:
    """A task of a run with the sources of its programs inlined.

    Attributes:
        aggregate: Whether a whole (task, model) group is graded in one execution.
    """

    task_ord: int
    task: Task
    grader: Grader
    aggregate: bool

    @property
    def task_json(self) -> bytes:
        """The task as the grader takes it."""
        return normalised_json(self.task.model_copy(update={"grader": self.grader}))

    @property
    def grader_json(self) -> bytes:
        """The grader as the grader service takes it."""
        return normalised_json(self.grader)


class InlinePrograms:
    """Makes tasks ready: what is in files is read, and everything is checked."""

    def __init__(self, files: Files, sandbox: Sandbox) -> None:
        self._files = files
        self._sandbox = sandbox

    async def __call__(self, tasks: Sequence[tuple[int, Task]]) -> list[ReadyTask]:
        """Return the tasks, given with their places in the manifest, ready to be prepared.

        Raises:
            RunFailed: a program's file is gone, or a program cannot be run.
        """
        inlined = [(place, await self._inline_task(task)) for place, task in tasks]
        checks = [program for place, task in inlined for program in _programs(place, task)]
        checked = await self._sandbox.check(checks)
        if checked.violations:
            first = checked.violations[0]
            code = run_failure_code(first.reason) or "grader_invalid"
            failure = Failure(code=code, message=first.message, stage=_STAGE)
            raise failed_with(failure, subject=_subject(first.path, tasks))
        return [
            _ready(place, task, entrypoints)
            for (place, task), entrypoints in zip(inlined, checked.entrypoints, strict=True)
        ]

    async def _inline_task(self, task: Task) -> Task:
        update: dict[str, object] = {}
        if task.preprocess is not None:
            subject = _called(task, task.preprocess, _PREPROCESSOR)
            update["preprocess"] = await self._inline(task.preprocess, "preprocess_failed", subject)
        if task.grader is not None:
            subject = _called(task, task.grader, _GRADER)
            update["grader"] = await self._inline(task.grader, "grader_invalid", subject)
        return task.model_copy(update=update)

    async def _inline(self, program: AnyProgram, code: str, subject: str) -> AnyProgram:
        if program.file_id is None:
            return program
        try:
            raw = await self._files.read(program.file_id, bytes_max=PROGRAM_FILE_BYTES_MAX)
            source = raw.decode("utf-8-sig")
        except ServiceError as error:
            about = partial(failed_with, subject=subject)
            raise as_run_failure(error, stage=_STAGE, about=about) from error
        except UnicodeDecodeError as error:
            failure = Failure(code=code, message="the program is not UTF-8 text", stage=_STAGE)
            raise failed_with(failure, subject=subject) from error
        return program.model_copy(update={"file_id": None, "source": source})


def _called(task: Task, program: Grader | Preprocessor | None, use: str) -> str:
    file = f" {program.file_id}" if program is not None and program.file_id else ""
    return f"task {task.id}, {use}{file}"


def _subject(path: str, tasks: Sequence[tuple[int, Task]]) -> str:
    """Name the program at a path that `_programs` made."""
    for place, task in tasks:
        if path.startswith(f"{_path(place)}.{_PREPROCESSOR}."):
            return _called(task, task.preprocess, _PREPROCESSOR)
        if path.startswith(f"{_path(place)}.{_GRADER}."):
            return _called(task, task.grader, _GRADER)
    return path


def _path(place: int) -> str:
    return f"manifest.tasks[{place}]"


def _programs(place: int, task: Task) -> list[Program]:
    found: list[Program] = []
    path = _path(place)
    if task.preprocess is not None:
        found.append(_program(task.preprocess, ProgramKind.PREPROCESSOR, f"{path}.{_PREPROCESSOR}"))
    found.append(_program(_grader_of(task), ProgramKind.GRADER, f"{path}.{_GRADER}"))
    return found


def _program(program: Grader | Preprocessor, kind: ProgramKind, path: str) -> Program:
    return Program(
        path=f"{path}.source", kind=kind, source=program.source or "", contract=program.contract
    )


def _grader_of(task: Task) -> Grader:
    if task.grader is None:  # task types without one are refused when a version is made
        message = f"task {task.id} has no grader"
        raise RunFailed(Failure(code="grader_invalid", message=message, stage=_STAGE))
    return task.grader


def _ready(place: int, task: Task, entrypoints: frozenset[str]) -> ReadyTask:
    grader = _grader_of(task)
    execution = grader.execution or ("per_sample" if "grade" in entrypoints else "aggregate")
    return ReadyTask(
        task_ord=place,
        task=task,
        grader=grader.model_copy(update={"execution": execution}),
        aggregate=execution == "aggregate",
    )
