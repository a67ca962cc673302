"""The grader of a trial, checked as that of a manifest is, with its defaults filled in."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from cli.errors import CliError, NothingGraded
from cli.references import beside, referred
from cli.trials.reading import read_argument, read_file
from manifest.json_gate import open_json
from manifest.parsing import MANIFEST_BYTES_MAX, ManifestInvalid, parse_manifest
from manifest.problem import to_violations
from manifest.references import PROGRAM_FILE_BYTES_MAX
from manifest.schema import Grader, Manifest, Task

_REASON = "INVALID_MANIFEST"
_OWN_TASK = "manifest.tasks[0]."
_OWN_TASK_ID = "trial"

JsonObject = dict[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the person says of grader and extraction; None leaves a setting to its default.

    Attributes:
        file: the program; None for the one of the manifest.
        manifest: a manifest or suite file to take a task of; None for none.
        task_id: which task of it.
        settings: fields of the manifest's `grader` that go before those of the manifest.
        extraction: the manifest's `output_extraction`, JSON, `@file` or `-`.
    """

    file: Path | None
    manifest: Path | None
    task_id: str | None
    settings: Mapping[str, JsonValue]
    extraction: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialProgram:
    """A task whose grader has its source.

    Attributes:
        task: with `grader.source`, and as its id what graders see of it.
        filename: what the program is called in messages.
        renders: whether the task is of a manifest, so that its templates say something.
    """

    task: Task
    filename: str
    renders: bool

    @property
    def grader(self) -> Grader:
        """The task's grader; it is always there."""
        if self.task.grader is None:
            raise ValueError(f"the task {self.task.id} has no grader")
        return self.task.grader


def trial_program(choices: Choices) -> TrialProgram:
    """Return what is to be tried.

    Raises:
        NothingGraded: a file cannot be read or a setting breaks a rule; says which.
    """
    if choices.manifest is None:
        if choices.file is None:
            raise NothingGraded("Give the grader's FILE, or a task with --manifest and --task.")
        return _of_settings(choices, choices.file)
    return _of_manifest(choices, choices.manifest)


def _of_settings(choices: Choices, file: Path) -> TrialProgram:
    raw: JsonObject = {
        "id": choices.task_id or _OWN_TASK_ID,
        "type": "custom",
        "dataset": {"file_id": "none"},
        "prompt_template": "",
        "grader": {"type": "python", "file_id": "none", **_given(choices.settings)},
    }
    if choices.extraction is not None:
        raw["output_extraction"] = _object(read_argument(choices.extraction), "--extraction")
    task = _parsed({"tasks": [raw]}, unsaid=_OWN_TASK).tasks[0]
    return TrialProgram(task=_with_source(task, _source(file)), filename=file.name, renders=False)


def _of_manifest(choices: Choices, path: Path) -> TrialProgram:
    content = _object(read_file(path), str(path))
    inner = content.get("manifest")
    manifest = inner if isinstance(inner, dict) else content
    place = _place(manifest, choices.task_id, path)
    raw = _changed(manifest, place, choices)
    task = _parsed(raw).tasks[place]
    if task.grader is None:
        raise NothingGraded(f"The task {task.id} of {path} has no grader.")
    file = choices.file or _referenced(task.grader, path, place)
    if file is not None:
        return TrialProgram(
            task=_with_source(task, _source(file)), filename=file.name, renders=True
        )
    return TrialProgram(task=task, filename="grader.py", renders=True)


def _place(manifest: JsonObject, task_id: str | None, path: Path) -> int:
    tasks = manifest.get("tasks")
    ids = [
        str(task.get("id")) if isinstance(task, dict) else ""
        for task in (tasks if isinstance(tasks, list) else [])
    ]
    if task_id is None and len(ids) == 1:
        return 0
    if task_id in ids:
        return ids.index(task_id)
    known = ", ".join(ids) or "none"
    if task_id is None:
        raise NothingGraded(f"Say with --task which task of {path} is meant: {known}.")
    raise NothingGraded(f"{path} has no task {task_id}; it has: {known}.")


def _changed(manifest: JsonObject, place: int, choices: Choices) -> JsonObject:
    """Return the manifest with what the options say put into its task."""
    tasks = manifest["tasks"]
    found = tasks[place] if isinstance(tasks, list) else None
    if not isinstance(tasks, list) or not isinstance(found, dict):
        raise TypeError("a place is that of a task")
    task: JsonObject = dict(found)
    grader = task.get("grader")
    if isinstance(grader, dict):
        task["grader"] = {**grader, **_given(choices.settings)}
    if choices.extraction is not None:
        task["output_extraction"] = _object(read_argument(choices.extraction), "--extraction")
    return {**manifest, "tasks": [*tasks[:place], task, *tasks[place + 1 :]]}


def _referenced(grader: Grader, manifest: Path, place: int) -> Path | None:
    """Return the file beside the manifest that holds the program; None when it is inline."""
    told = grader.source or grader.file_id or ""
    if reference := referred(told):
        field = f"manifest.tasks[{place}].grader.{'source' if grader.source else 'file_id'}"
        try:
            return beside(manifest.parent, reference, field=field)
        except CliError as error:
            raise NothingGraded(error.message) from None
    if grader.source is None:
        raise NothingGraded(f"The grader is the uploaded file {told}: give its FILE too.")
    return None


def _with_source(task: Task, source: str) -> Task:
    if task.grader is None:
        raise ValueError(f"the task {task.id} has no grader")
    grader = task.grader.model_copy(update={"file_id": None, "source": source})
    return task.model_copy(update={"grader": grader})


def _source(path: Path) -> str:
    raw = read_file(path)
    if len(raw) > PROGRAM_FILE_BYTES_MAX:
        raise NothingGraded(f"{path} has more than {PROGRAM_FILE_BYTES_MAX} bytes.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NothingGraded(f"{path} is not UTF-8 text: byte {error.start} is wrong.") from error


def _parsed(document: JsonObject, *, unsaid: str = "") -> Manifest:
    try:
        return parse_manifest(json.dumps(document).encode())
    except ManifestInvalid as error:
        sentences = [found.message.removeprefix(unsaid) for found in error.violations]
        raise NothingGraded(sentences[0], details=sentences[1:]) from None


def _object(raw: bytes, name: str) -> JsonObject:
    opened = open_json(raw, reason=_REASON, bytes_max=MANIFEST_BYTES_MAX)
    if opened.document is None or opened.problems:
        sentences = [found.message for found in to_violations(name, opened.problems)]
        raise NothingGraded(sentences[0], details=sentences[1:])
    return opened.document


def _given(settings: Mapping[str, JsonValue]) -> JsonObject:
    return {name: value for name, value in settings.items() if value is not None}
