"""Runs that happened elsewhere: what is told of them, and how an import can be refused."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from servicekit.errors import Kind, ServiceError, Violation

TASKS_MAX = 100
RUNS_MAX = 100
PATHS_MAX = 100

# What a sample without a usable score is called; the sentence comes with the sample.
NO_SCORE = "import_no_score"
NO_SCORE_STAGE = "score"

# In every normalised manifest with an imported task.
_IMPORTED = b'"imported":true'


class HistoryInvalid(ServiceError):
    """What was sent cannot be made into runs; nothing was stored."""

    kind = Kind.INVALID_ARGUMENT
    reason = "INVALID_HISTORY"


class HistoryNotStaged(ServiceError):
    """The samples of a run are not there any more, or never were: begin again."""

    kind = Kind.ABORTED
    reason = "HISTORY_NOT_STAGED"


class TooManyTasks(ServiceError):
    """A version would have more tasks than one may have; nothing was stored."""

    kind = Kind.INVALID_ARGUMENT
    reason = "TOO_MANY_TASKS"

    def __init__(self, count: int) -> None:
        message = f"a suite version may have at most {TASKS_MAX} tasks, and this would be {count}"
        super().__init__(message, tasks=count, tasks_max=TASKS_MAX)


class ImportedRunFixed(ServiceError):
    """An imported run is what it was: nothing here can generate or grade it again."""

    kind = Kind.FAILED_PRECONDITION
    reason = "IMPORTED_RUN_NOT_RUNNABLE"

    def __init__(self, run_id: str) -> None:
        super().__init__(f"run {run_id} was made elsewhere and cannot be run again", run_id=run_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryTarget:
    """The suite of an import.

    Attributes:
        suite_id: An existing suite; empty for the newest one that an earlier import made with the
            same name and repository.
    """

    suite_id: str
    suite_name: str
    repo: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryFile:
    """A file that a run was made of; `run_id` is empty before."""

    path: str
    commit: str
    sha256: str
    run_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryStanding:
    """The suite that an import would go into, and what it has.

    Attributes:
        suite_id: Empty when one would be created; then all else is empty, too.
        suite_version: The active one, which takes runs of its tasks.
        manifest_json: The manifest of that version.
        files: Files of live runs, of those asked for.
    """

    suite_id: str = ""
    suite_version: int = 0
    latest_version: int = 0
    task_ids: Sequence[str] = ()
    manifest_json: bytes = b""
    files: Sequence[HistoryFile] = ()


class HistoricalSample(NamedTuple):
    """A sample as it was found; `failure` says why it counts as failed, empty when it does not."""

    sample_index: int
    row_json: bytes
    prompt: str
    target: str | None
    output_text: str | None
    extracted_output: str | None
    scores_json: bytes
    judge_json: bytes
    failure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoricalRun:
    """A run to make of staged samples."""

    id: str
    task_id: str
    model: str
    generation_json: bytes
    metadata: Mapping[str, str]
    time: datetime
    file: HistoryFile


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryOrder:
    """An import to make visible; `tasks` are manifest tasks as JSON by their ids."""

    target: HistoryTarget
    suite_description: str | None
    suite_metadata: Mapping[str, str]
    tasks: Mapping[str, bytes]
    runs: Sequence[HistoricalRun]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedHistory:
    """What an import made; superseded runs were not, as another import had made theirs."""

    suite_id: str
    suite_version: int
    created_suite: bool
    created_suite_version: bool
    superseded_run_ids: Sequence[str]


def imported_before(
    runs: Sequence[HistoricalRun], known: Sequence[HistoryFile]
) -> Sequence[HistoricalRun]:
    """Return the runs whose path has a run already, of the same commit or the same content."""
    commits = {(file.path, file.commit) for file in known}
    contents = {(file.path, file.sha256) for file in known}
    return [
        run
        for run in runs
        if (run.file.path, run.file.commit) in commits
        or (run.file.path, run.file.sha256) in contents
    ]


def imported_task_problems(
    manifest_json: bytes, task_ids: Collection[str] | None
) -> Iterator[Violation]:
    """Find tasks of a run that were made by an import: there is nothing to run.

    Args:
        manifest_json: A normalised manifest.
        task_ids: Tasks of the run; None for all.
    """
    if _IMPORTED not in manifest_json:
        return
    for task in json.loads(manifest_json)["tasks"]:
        wanted = task_ids is None or task["id"] in task_ids
        if wanted and (task.get("metadata") or {}).get("imported") is True:
            message = f"task {task['id']} was imported with its results and cannot be run"
            yield Violation("task_ids", "IMPORTED_TASK_NOT_RUNNABLE", message)
