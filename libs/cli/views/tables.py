"""Lists as tables; ids are never cut."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from rich.markup import escape
from rich.table import Table

from cli.resources import File, JsonObject, Key, Run, Sample, Suite

_TEXT_CHARS_MAX = 60
_TIME = "%Y-%m-%d %H:%M:%SZ"


def files_table(files: Iterable[File]) -> Table:
    """Return files with their sizes."""
    table = _table("id", "name", "bytes", "purpose", "created")
    for file in files:
        created = _time(file.created_at)
        _add(table, file.id, file.filename, str(file.bytes), file.purpose, created)
    return table


def keys_table(keys: Iterable[Key]) -> Table:
    """Return API keys and what they may do."""
    table = _table("id", "name", "state", "org/team", "scopes", "created")
    for key in keys:
        state = "revoked" if key.revoked_at else "active"
        team, scopes = f"{key.org_id}/{key.team_id}", ", ".join(key.scopes)
        _add(
            table,
            key.id,
            key.name,
            state,
            team,
            scopes,
            f"{key.created_at.astimezone(UTC):{_TIME}}",
        )
    return table


def suites_table(suites: Iterable[Suite]) -> Table:
    """Return suites with their versions."""
    table = _table("id", "name", "active version", "latest version", "created")
    for suite in suites:
        versions = (str(suite.active_version), str(suite.latest_version))
        _add(table, suite.id, suite.name, *versions, _time(suite.created_at))
    return table


def tasks_table(tasks: Sequence[JsonObject]) -> Table:
    """Return the tasks of a normalised manifest."""
    table = _table("task", "type", "dataset", "extraction", "grader", "metrics")
    for task in tasks:
        dataset, grader = _object(task, "dataset"), _object(task, "grader")
        metrics = task.get("metrics") or []
        names = (
            [str(_member(metric, "id")) for metric in metrics] if isinstance(metrics, list) else []
        )
        _add(
            table,
            str(task.get("id")),
            str(task.get("type")),
            str(dataset.get("file_id") or dataset.get("path") or ""),
            str(_object(task, "output_extraction").get("type", "")),
            str(grader.get("contract", "")),
            ", ".join(names),
        )
    return table


def runs_table(runs: Iterable[Run]) -> Table:
    """Return runs with their progress."""
    table = _table("id", "status", "suite", "version", "models", "ended", "failed")
    for run in runs:
        counts = run.request_counts
        _add(
            table,
            run.id,
            run.status,
            run.suite_id,
            str(run.suite_version),
            ", ".join(run.models),
            f"{counts.ended}/{counts.total}",
            str(counts.failed),
        )
    return table


def samples_table(samples: Iterable[Sample]) -> Table:
    """Return samples, each text cut to one short line."""
    table = _table("task", "model", "index", "status", "target", "output", "extracted", "result")
    for sample in samples:
        scores = ", ".join(f"{key}={value}" for key, value in sample.scores.items())
        outcome = f"{sample.error.code}: {sample.error.message}" if sample.error else scores
        _add(
            table,
            sample.task_id,
            sample.model,
            str(sample.sample_index),
            sample.status,
            _short(sample.target),
            _short(sample.output_text),
            _short(sample.extracted_output),
            _short(outcome),
        )
    return table


def _table(*names: str) -> Table:
    table = Table()
    for name in names:
        table.add_column(name, overflow="fold")
    return table


def _add(table: Table, *cells: str) -> None:
    table.add_row(*(escape(cell) for cell in cells))


def _short(text: str | None) -> str:
    line = " ".join((text or "").split())
    return line if len(line) <= _TEXT_CHARS_MAX else f"{line[: _TEXT_CHARS_MAX - 1]}…"


def _time(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime(_TIME)


def _object(owner: JsonObject, key: str) -> JsonObject:
    value = owner.get(key)
    return value if isinstance(value, dict) else {}


def _member(value: object, key: str) -> object:
    return value.get(key) if isinstance(value, dict) else value
