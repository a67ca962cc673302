"""The results of a run as a listing."""

from collections import Counter
from collections.abc import Iterator, Sequence

from cli.server.resources import Failure, MetricBlock, Run
from cli.views.listing import Listing
from cli.views.plain import plain

_NOTHING = "-"
_MESSAGE_CHARS_MAX = 240


def results_table(run: Run) -> Listing:
    """Return one row for each task and model, then one for each model over all tasks."""
    metric_ids = _metric_ids(run)
    numbers = ("score", *metric_ids, "samples", "failed", "tokens in", "tokens out")
    return Listing(
        names=("task", "model", *numbers),
        rows=[(task, model, *_cells(block, metric_ids)) for task, model, block in _rows(run)],
        whole=numbers,
        numbers=numbers,
        title=f"Results of {run.id}",
        section_by="task",
    )


def failures_line(run: Run) -> str:
    """Say how many samples failed and where to look; empty when none did."""
    failed = run.request_counts.failed
    if not failed:
        return ""
    samples = "1 sample" if failed == 1 else f"{failed} samples"
    return f"{samples} failed; see: proctor samples {run.id} --status failed"


def reason_line(failures: Sequence[Failure]) -> str:
    """Say what most failed samples have failed with, of the failures that are given."""
    (code, count), *_ = Counter(failure.code for failure in failures).most_common(1)
    said = Counter(failure.message for failure in failures if failure.code == code)
    (message, _), *_ = said.most_common(1)
    of = f"{count} of {len(failures)}: " if count < len(failures) else ""
    short = message if len(message) <= _MESSAGE_CHARS_MAX else f"{message[:_MESSAGE_CHARS_MAX]}…"
    return plain(f"most often {of}{short} [{code}]")


def grader_line(run: Run) -> str:
    """Say what graders asked models; empty when they asked none."""
    usage = run.grader_usage
    if usage is None or not usage.model_calls:
        return ""
    tokens = usage.tokens
    asked = "1 call" if usage.model_calls == 1 else f"{usage.model_calls} calls"
    reported = (
        _NOTHING if count is None else str(count) for count in (tokens.input, tokens.output)
    )
    return "graders made {} of models: tokens in {}, tokens out {}".format(asked, *reported)


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
        str(counts.failed),
        _count(tokens.input),
        _count(tokens.output),
    ]


def _number(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.3f}"


def _count(value: int | None) -> str:
    return _NOTHING if value is None else str(value)
