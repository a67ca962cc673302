"""Everything in a manifest that a tenant wrote to be executed: Python, templates, patterns."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from manifest.extraction import Pattern
from manifest.schema import Fewshot, Manifest, Task


class ProgramKind(StrEnum):
    """What a program is; each value is the lower-case name of the wire's `PROGRAM_KIND_`."""

    GRADER = "grader"
    PREPROCESSOR = "preprocessor"
    TEMPLATE = "template"
    PATTERN = "pattern"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One program to check, in the shape that `SandboxService.CheckProgram` takes.

    Attributes:
        path: Where it stands, such as `manifest.tasks[0].grader.source`.
        kind: What it is.
        source: Its text.
        contract: Contract of a grader or preprocessor, flags of a pattern, else empty.
        group_json: Group of a pattern as JSON; empty for none.
    """

    path: str
    kind: ProgramKind
    source: str
    contract: str = ""
    group_json: str = ""


def programs(manifest: Manifest) -> list[Program]:
    """Return all programs in the manifest itself, in order; see `referenced_files` for the rest."""
    return [
        program
        for index, task in enumerate(manifest.tasks)
        for program in _of_task(task, f"manifest.tasks[{index}]")
    ]


def _of_task(task: Task, path: str) -> Iterator[Program]:
    if task.preprocess is not None and task.preprocess.source is not None:
        yield Program(
            path=f"{path}.preprocess.source",
            kind=ProgramKind.PREPROCESSOR,
            source=task.preprocess.source,
            contract=task.preprocess.contract,
        )
    yield from _template(task.prompt_template, f"{path}.prompt_template")
    yield from _template(task.target_template, f"{path}.target_template")
    for index, choice in enumerate(task.choices or ()):
        yield from _template(choice, f"{path}.choices[{index}]")
    if task.fewshot is not None:
        yield from _of_fewshot(task.fewshot, f"{path}.fewshot")
    if isinstance(task.output_extraction, Pattern):
        yield _pattern(task.output_extraction, f"{path}.output_extraction.pattern")
    if task.grader is not None and task.grader.source is not None:
        yield Program(
            path=f"{path}.grader.source",
            kind=ProgramKind.GRADER,
            source=task.grader.source,
            contract=task.grader.contract,
        )


def _of_fewshot(fewshot: Fewshot, path: str) -> Iterator[Program]:
    yield from _template(fewshot.prompt_template, f"{path}.prompt_template")
    yield from _template(fewshot.target_template, f"{path}.target_template")
    yield from _template(fewshot.example_template, f"{path}.example_template")


def _template(source: str | None, path: str) -> Iterator[Program]:
    if source is not None:
        yield Program(path=path, kind=ProgramKind.TEMPLATE, source=source)


def _pattern(extraction: Pattern, path: str) -> Program:
    return Program(
        path=path,
        kind=ProgramKind.PATTERN,
        source=extraction.pattern,
        contract=extraction.flags or "",
        group_json="" if extraction.group is None else json.dumps(extraction.group),
    )
