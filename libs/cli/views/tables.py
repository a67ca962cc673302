"""What commands list."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from cli.server.resources import (
    BoardRow,
    File,
    JsonObject,
    Run,
    Sample,
    Schedule,
    Suite,
    SuiteShare,
)
from cli.views.listing import Listing

_TIME = "%Y-%m-%d %H:%M:%SZ"


def files_table(files: Iterable[File]) -> Listing:
    """Return files with their sizes."""
    names = ("id", "name", "bytes", "purpose", "created")
    rows = [(f.id, f.filename, str(f.bytes), f.purpose, _time(f.created_at)) for f in files]
    return Listing(names=names, rows=rows, numbers=("bytes",))


def suites_table(suites: Iterable[Suite]) -> Listing:
    """Return suites with their versions, and whose they are that are only shared."""
    rows = [
        (
            s.id,
            s.name,
            str(s.active_version),
            str(s.latest_version),
            _time(s.created_at),
            f"shared by {s.org_id}" if s.access == "shared" else "",
        )
        for s in suites
    ]
    names = ("id", "name", "active version", "latest version", "created", "shared")
    return Listing(names=names, rows=rows)


def schedules_table(schedules: Iterable[Schedule]) -> Listing:
    """Return schedules, when they are due, and how the last fire went."""
    names = ("id", "name", "suite", "when", "next", "last run", "status")
    rows = [
        (
            s.id,
            s.name,
            s.suite_id,
            _cadence(s),
            "disabled" if s.next_run_at is None else _time(s.next_run_at),
            s.last_run_id or "",
            s.last_error.code if s.last_error else s.last_run_status or "",
        )
        for s in schedules
    ]
    return Listing(names=names, rows=rows, whole=("id", "suite", "last run"))


def shares_table(shares: Iterable[SuiteShare]) -> Listing:
    """Return with whom a suite is shared."""
    rows = [(s.org_id, s.granted_by, _time(s.created_at)) for s in shares]
    return Listing(names=("organisation", "by key", "since"), rows=rows)


def created(suite: Suite) -> str:
    """Say when a suite was made."""
    return _time(suite.created_at)


def tasks_table(tasks: Sequence[JsonObject], filenames: Mapping[str, str]) -> Listing:
    """Return the tasks of a normalised manifest.

    Args:
        tasks: As the manifest has them.
        filenames: By file id.
    """
    names = ("task", "type", "dataset", "file", "extraction", "grader", "metrics")
    return Listing(names=names, rows=[_task(task, filenames) for task in tasks], whole=("dataset",))


def dataset_file_ids(tasks: Sequence[JsonObject]) -> list[str]:
    """Return the files that `tasks_table` wants to have names for."""
    ids = (_object(task, "dataset").get("file_id") for task in tasks)
    return list(dict.fromkeys(str(file_id) for file_id in ids if file_id))


def runs_table(runs: Iterable[Run]) -> Listing:
    """Return runs with their progress."""
    rows = [
        (
            run.id,
            run.status,
            run.suite_id,
            str(run.suite_version),
            ", ".join(run.models),
            f"{run.request_counts.ended}/{run.request_counts.total}",
            str(run.request_counts.failed),
        )
        for run in runs
    ]
    names = ("id", "status", "suite", "version", "models", "ended", "failed")
    return Listing(names=names, rows=rows, whole=("id", "suite"))


def samples_table(samples: Iterable[Sample]) -> Listing:
    """Return samples; a table shows the beginning of each text."""
    names = ("task", "model", "index", "status", "target", "output", "extracted", "result")
    rows = [
        (
            sample.task_id,
            sample.model,
            str(sample.sample_index),
            sample.status,
            sample.target or "",
            sample.output_text or "",
            sample.extracted_output or "",
            _outcome(sample),
        )
        for sample in samples
    ]
    return Listing(names=names, rows=rows, glance=names[4:])


def board_table(rows: Iterable[BoardRow], *, metric: str) -> Listing:
    """Return a leaderboard of agents; times are of one trial, the other figures of all."""
    names = ("agent", "version", "effort", "model", metric, "±", "trials", "solved", "failed")
    spent = ("cost USD", "input tokens", "output tokens", "steps", "s a trial", "runs")
    return Listing(
        names=names + spent,
        rows=[_board_row(row) for row in rows],
        whole=(),
        numbers=(*names[4:], *spent),
    )


def _board_row(row: BoardRow) -> Sequence[str]:
    margin = row.accuracy_ci.get("margin") if row.accuracy_ci else None
    time_s = (
        row.agent_seconds / row.timed_trials if row.agent_seconds and row.timed_trials else None
    )
    return (
        row.agent_name,
        row.agent_version or "",
        row.agent_effort or "",
        row.model,
        _figure(row.accuracy, ".3f"),
        _figure(margin, ".3f"),
        *(str(count) for count in (row.trials, row.solved_trials, row.failed_trials)),
        _figure(row.cost_usd, ".2f"),
        *(_figure(count, "d") for count in (row.input_tokens, row.output_tokens, row.steps)),
        _figure(time_s, ".1f"),
        str(row.run_count),
    )


def _figure(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _task(task: JsonObject, filenames: Mapping[str, str]) -> Sequence[str]:
    dataset, metrics = _object(task, "dataset"), task.get("metrics") or []
    source = str(dataset.get("file_id") or dataset.get("path") or "")
    ids = [str(_member(metric, "id")) for metric in metrics] if isinstance(metrics, list) else []
    return (
        str(task.get("id")),
        str(task.get("type")),
        source,
        filenames.get(source, ""),
        str(_object(task, "output_extraction").get("type", "")),
        str(_object(task, "grader").get("contract", "")),
        ", ".join(ids),
    )


def _outcome(sample: Sample) -> str:
    if sample.error:
        return f"{sample.error.code}: {sample.error.message}"
    return ", ".join(f"{key}={value}" for key, value in sample.scores.items())


def _cadence(schedule: Schedule) -> str:
    if schedule.cron is None:
        return f"every {schedule.interval_seconds} s"
    return f"{schedule.cron} {schedule.timezone}"


def _time(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime(_TIME)


def _object(owner: JsonObject, key: str) -> JsonObject:
    value = owner.get(key)
    return value if isinstance(value, dict) else {}


def _member(value: object, key: str) -> object:
    return value.get(key) if isinstance(value, dict) else value
