"""The body of POST /evals/imports/huggingface-results."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from gateway.inbound.rest.labels import Labels, label_problems
from manifest.problem import Problem
from manifest.section import RawObject, Section, WholeNumber, broken

DEFAULT_REPO = "meetkai/lm-eval-harness-result"
FILES_MAX = 100
NAME_CHARS_MAX = 255
DESCRIPTION_CHARS_MAX = 10_000
PATH_CHARS_MAX = 1024
REPO_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*\/[A-Za-z0-9][A-Za-z0-9_.-]*$"


def _few_files(value: object) -> object:
    if isinstance(value, list) and not 1 <= len(value) <= FILES_MAX:
        raise broken(f"must have 1 to {FILES_MAX} entries, not {len(value)}")
    return value


Path = Annotated[str, Field(min_length=1, max_length=PATH_CHARS_MAX)]


class ImportSource(Section):
    """Where results are."""

    type: Literal["huggingface"] = "huggingface"
    repo: Annotated[str, Field(max_length=NAME_CHARS_MAX, pattern=REPO_PATTERN)] = DEFAULT_REPO
    """Dataset repository, `owner/name`."""
    revision: Annotated[str, Field(min_length=1, max_length=NAME_CHARS_MAX)] = "main"
    """Branch, tag or commit."""
    path_prefix: Path | None = None
    """Only files whose path begins with it; has no effect with `files`."""
    files: Annotated[
        list[Path] | None,
        BeforeValidator(_few_files),
        Field(json_schema_extra={"minItems": 1, "maxItems": FILES_MAX}),
    ] = None
    """Exactly these paths, in this order. Default: every samples file there is."""

    @classmethod
    def broken_rules(cls, raw: RawObject) -> Iterable[Problem]:
        """Paths stay inside the repository."""
        files = raw.get("files")
        return _path_problems(files[:FILES_MAX] if isinstance(files, list) else [])


class ImportHistoryBody(Section):
    """Results to import."""

    source: ImportSource = Field(default_factory=ImportSource)
    suite_id: Annotated[str, Field(min_length=1, max_length=NAME_CHARS_MAX)] | None = None
    """Existing suite to import into. Default: the newest that an import of the same `suite_name`
    and repository made, else a new one."""
    suite_name: Annotated[str, Field(min_length=1, max_length=NAME_CHARS_MAX)] = (
        "Historical lm-eval harness results"
    )
    suite_description: Annotated[str, Field(max_length=DESCRIPTION_CHARS_MAX)] | None = None
    """Of a suite that is created."""
    create_missing_tasks: bool = True
    """Append tasks that the suite lacks as one new version, which becomes the active one; without,
    files of such tasks are skipped."""
    dry_run: bool = False
    """Read and count everything, write nothing."""
    limit_files: Annotated[WholeNumber, Field(ge=1, le=FILES_MAX)] | None = None
    """Most files to import. Default: 50 of those found, all of those named."""
    metadata: Labels = Field(default_factory=dict)

    @classmethod
    def broken_rules(cls, raw: RawObject) -> Iterable[Problem]:
        """Rules over labels."""
        return label_problems(raw)


def _path_problems(files: list[object]) -> Iterator[Problem]:
    for number, path in enumerate(files):
        if isinstance(path, str) and path and not _is_inside(path):
            predicate = "must be a path inside the repository: no `/` first, no `..`, no `\\`"
            yield Problem(("files", number), "INVALID_PATH", predicate)


def _is_inside(path: str) -> bool:
    steps = path.split("/")
    return path.isprintable() and "\\" not in path and not {"", ".", ".."} & set(steps)
