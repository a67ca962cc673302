"""An import of results: what is asked for, what became of each file, and how it can be refused."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from importer.domain.harness.origin import Origin
from importer.domain.harness.samples import HarnessSample
from servicekit.errors import Kind, ServiceError

DRY_RUN_SUITE = "dry_run"
TASKS_MAX = 100
_LABEL_CHARS_MAX = 512


class NoSuiteToReuse(ServiceError):
    """Nothing may be created, and there is no suite of an earlier import."""

    kind = Kind.INVALID_ARGUMENT
    reason = "NO_SUITE_TO_REUSE"

    def __init__(self) -> None:
        message = "no earlier import made a suite of this name, and `create_missing_tasks` is false"
        super().__init__(message, param="create_missing_tasks")


class TooManyTasks(ServiceError):
    """A version would have more tasks than one may have; nothing was stored."""

    kind = Kind.INVALID_ARGUMENT
    reason = "TOO_MANY_TASKS"

    def __init__(self, count: int) -> None:
        message = f"a suite version may have at most {TASKS_MAX} tasks, and this would be {count}"
        super().__init__(message, tasks=count, tasks_max=TASKS_MAX)


class ImportTimedOut(ServiceError):
    """The import took longer than an import may; nothing was made visible."""

    kind = Kind.DEADLINE_EXCEEDED
    reason = "IMPORT_TIMED_OUT"

    def __init__(self, limit_s: float) -> None:
        message = f"the import took more than {limit_s:g} s and was given up; import fewer files"
        super().__init__(message, limit_s=limit_s)


class TooManyImports(ServiceError):
    """The team has as many imports under way as it may; those that wait count."""

    kind = Kind.RESOURCE_EXHAUSTED
    reason = "TOO_MANY_IMPORTS"

    def __init__(self, most: int) -> None:
        message = f"a team may have {most} imports under way; wait until one has ended"
        super().__init__(message, imports_max=most)


class Skipped(StrEnum):
    """Why no run was made of a file."""

    ALREADY_IMPORTED = "already_imported"
    NO_ROWS = "no_rows"
    MOSTLY_BROKEN = "mostly_broken"
    NOT_READABLE = "not_readable"
    FILE_TOO_LARGE = "file_too_large"
    TOO_MANY_ROWS = "too_many_rows"
    UNKNOWN_TASK = "unknown_task"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOrder:
    """What is asked for; a `limit_files` of 0 takes the default."""

    repo: str
    revision: str
    source: str = "huggingface"
    path_prefix: str = ""
    files: Sequence[str] = ()
    suite_id: str = ""
    suite_name: str
    suite_description: str | None = None
    create_missing_tasks: bool = True
    dry_run: bool = False
    limit_files: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)

    def wishes(self) -> dict[str, object]:
        """Return what is equal for equal orders."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """What became of a file; `run_id` also names the run that an earlier import made of it."""

    path: str
    run_id: str = ""
    skipped: Skipped | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did, or would do."""

    suite_id: str
    suite_version: int
    created_suite: bool
    created_suite_version: bool
    discovered_files: int
    imported_samples: int
    files: Sequence[FileReport]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFile:
    """A file that a live run was made of."""

    path: str
    commit: str
    sha256: str
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The suite that runs would go into, and what it has; all empty when there is none yet."""

    suite_id: str = ""
    suite_version: int = 0
    latest_version: int = 0
    task_ids: Sequence[str] = ()
    files: Sequence[KnownFile] = ()

    def run_of(self, path: str, *, commit: str = "", sha256: str = "") -> str:
        """Return the run that was made of a path, of that commit or content; empty for none."""
        for file in self.files:
            same = (commit and file.commit == commit) or (sha256 and file.sha256 == sha256)
            if file.path == path and same:
                return file.run_id
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedRun:
    """A run whose samples are staged, or in a dry run only counted."""

    run_id: str
    origin: Origin
    task_json: bytes
    generation: Mapping[str, object]
    path: str
    sha256: str
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """What became of staged runs."""

    suite_id: str
    suite_version: int
    created_suite: bool
    created_suite_version: bool
    superseded_run_ids: Sequence[str]


SampleBatch = Sequence[HarnessSample]


def labels_of(order: ImportOrder, *, commit: str, path: str) -> dict[str, str]:
    """Return the labels of a run: the caller's, and where it comes from."""
    origin = {"repo": order.repo, "revision": commit, "path": path}
    ours = {f"import_{name}": value[:_LABEL_CHARS_MAX] for name, value in origin.items()}
    return {**order.metadata, "import_source": order.source, **ours}
