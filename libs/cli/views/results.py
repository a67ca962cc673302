"""The results of a run as tables."""

from collections.abc import Iterator

from rich.markup import escape
from rich.table import Table

from cli.resources import MetricBlock, Run

_NOTHING = "-"


def results_table(run: Run) -> Table:
    """Return one row for each task and model, then one for each model over all tasks."""
    metric_ids = _metric_ids(run)
    table = Table(title=f"Results of {run.id}", title_justify="left")
    table.add_column("task", overflow="fold")
    table.add_column("model", overflow="fold")
    for name in ("score", *metric_ids, "samples", "failed", "tokens in", "tokens out"):
        table.add_column(escape(name), justify="right")
    rows = list(_rows(run))
    for index, (task, model, block) in enumerate(rows):
        last_of_group = index + 1 < len(rows) and rows[index + 1][0] != task
        cells = [escape(task), escape(model), *_cells(block, metric_ids)]
        table.add_row(*cells, end_section=last_of_group)
    return table


def failures_line(run: Run) -> str:
    """Say how many samples failed and where to look; empty when none did."""
    failed = run.request_counts.failed
    if not failed:
        return ""
    samples = "1 sample" if failed == 1 else f"{failed} samples"
    return f"{samples} failed; see: proctor samples {run.id} --status failed"


def _rows(run: Run) -> Iterator[tuple[str, str, MetricBlock]]:
    if run.metrics is None:
        return
    for task, by_model in run.metrics.by_task.items():
        for model, block in by_model.items():
            yield task, model, block
    if len(run.metrics.by_task) > 1:
        for model, block in run.metrics.by_model.items():
            yield "all tasks", model, block


def _metric_ids(run: Run) -> list[str]:
    """Return the metrics beside the score, in order of appearance."""
    ids = {id_: None for _, _, block in _rows(run) for id_ in block.metrics if id_ != "score"}
    return list(ids)


def _cells(block: MetricBlock, metric_ids: list[str]) -> list[str]:
    values = [block.metrics[id_].value if id_ in block.metrics else None for id_ in metric_ids]
    counts, tokens = block.request_counts, block.tokens
    return [
        _number(block.score),
        *(_number(value) for value in values),
        f"{counts.completed}/{counts.total}",
        f"[red]{counts.failed}[/red]" if counts.failed else "0",
        _NOTHING if tokens.input is None else f"{tokens.input}",
        _NOTHING if tokens.output is None else f"{tokens.output}",
    ]


def _number(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.3f}"
