"""What came of a trial, for a person."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.text import Text

from cli.trials.hints import hint_of
from cli.trials.models import AskedCall
from cli.trials.results import Trial, TriedExecution, TriedSample, Used
from cli.views.listing import Listing
from cli.views.plain import plain, plain_lines

_LABEL = "bold"
_NOTHING = "-"
_MIB = 1024 * 1024
_INDENT = "  "
_PRINTED = ("stdout", "stderr")

Part = Text | Listing
"""What is printed at once."""


def print_parts(parts: Iterable[Part], console: Console) -> None:
    """Print a view; text is never wrapped."""
    for part in parts:
        if isinstance(part, Listing):
            part.print_to(console)
        else:
            console.print(part, soft_wrap=True)


def sample_view(
    sample: TriedSample, execution: TriedExecution | None, *, verbose: bool
) -> list[Part]:
    """Return everything about one sample, its outcome first."""
    used = sample.used or (execution.used if execution else None)
    calls = execution.calls if execution and sample.used is None else sample.calls
    return [
        _outcome(sample),
        *_metrics(execution),
        *_result(sample),
        *_execution(used, calls, verbose=verbose),
    ]


def trial_view(trial: Trial, *, verbose: bool) -> list[Part]:
    """Return a table with a line for each sample, what failed first in full, and the summary."""
    parts: list[Part] = [_table(trial.samples)]
    failed = [sample for sample in trial.samples if sample.problem]
    for sample in trial.samples if verbose else failed[:1]:
        parts += [Text(), Text(plain(sample.id), style=_LABEL), _outcome(sample), *_result(sample)]
        if sample.used:
            parts += _execution(sample.used, sample.calls, verbose=verbose)
    parts += [Text(), *_summary(trial)]
    if trial.execution:
        parts += _execution(trial.execution.used, trial.execution.calls, verbose=verbose)
    elif calls := sum(len(sample.calls) for sample in trial.samples):
        parts.append(_field("model calls", str(calls)))
    return parts


def _outcome(sample: TriedSample) -> Text:
    if sample.problem is None:
        return Text(sample.outcome, style="bold green")
    problem = sample.problem
    where = " in the extraction" if problem.stage == "extract" else ""
    return Text.assemble(
        (f"{sample.outcome}{where}", "bold red"),
        f"  [{problem.code}] {plain(problem.message)}",
    )


def _result(sample: TriedSample) -> Iterator[Text]:
    yield from _scores(sample)
    yield _field("extracted", sample.extracted_output)
    yield from _judge(sample)
    if sample.problem and sample.problem.traceback:
        yield from _block("traceback", sample.problem.traceback)
    if sample.problem and (hint := hint_of(sample.problem)):
        yield _field("hint", hint)


def _scores(sample: TriedSample) -> Iterator[Text]:
    if sample.problem is None and not sample.scores:
        yield _field("scores", "none")
    for name, number in sample.scores.items():
        yield _field(name, _number(number))


def _metrics(execution: TriedExecution | None) -> Iterator[Text]:
    for name, number in (execution.metrics if execution else {}).items():
        yield _field(f"metric {name}", _number(number))


def _judge(sample: TriedSample) -> Iterator[Text]:
    judge = dict(sample.judge or {})
    if sample.problem:  # what it printed has its own place
        judge = {key: value for key, value in judge.items() if key not in _PRINTED}
    if judge:
        yield from _block("judge", json.dumps(judge, ensure_ascii=False, indent=2))


def _execution(used: Used | None, calls: Sequence[AskedCall], *, verbose: bool) -> Iterator[Text]:
    if used is not None:
        if used.stdout:
            yield from _block("stdout", used.stdout)
        if used.stderr:
            yield from _block("stderr", used.stderr)
    if verbose:
        for number, call in enumerate(calls, start=1):
            body = json.dumps(call.body, ensure_ascii=False, indent=2)
            yield from _block(f"model call {number}: ctx.{call.method}", body)
    yield _field("time", _time(used.run_time_s if used else None))
    yield _field("CPU", _time(used.cpu_time_s if used else None))
    yield _field("memory", _memory(used))
    if calls:
        yield _field("model calls", str(len(calls)))


def _table(samples: Sequence[TriedSample]) -> Listing:
    used = ("time", "memory") if any(sample.used for sample in samples) else ()
    names = ("sample", "outcome", "result", "extracted", *used)
    rows = [
        (
            sample.id,
            sample.outcome,
            _one_line(sample),
            sample.extracted_output or "",
            *(_use_cells(sample.used) if used else ()),
        )
        for sample in samples
    ]
    glance = ("result", "extracted")
    return Listing(
        names=names, rows=rows, whole=("sample",), numbers=("time", "memory"), glance=glance
    )


def _use_cells(used: Used | None) -> tuple[str, str]:
    return _time(used.run_time_s if used else None), _memory(used)


def _one_line(sample: TriedSample) -> str:
    if sample.problem:
        return sample.problem.message
    return ", ".join(f"{name}={_number(value)}" for name, value in sample.scores.items())


def _summary(trial: Trial) -> Iterator[Text]:
    counts = Counter(sample.outcome for sample in trial.samples)
    words = ", ".join(f"{count} {word}" for word, count in counts.most_common())
    yield _field("samples", f"{len(trial.samples)}: {words}")
    metrics = trial.execution.metrics if trial.execution else {}
    for name, number in metrics.items():
        yield _field(f"metric {name}", f"{_number(number)} (returned by grade_batch)")
    for name, (mean, count) in trial.means().items():
        if name not in metrics:
            yield _field(f"mean {name}", f"{mean:.4g} (of {count})")


def _field(name: str, value: str | None) -> Text:
    shown = _NOTHING if value is None else plain(value)
    return Text.assemble((f"{plain(name):<11} ", _LABEL), shown)


def _block(name: str, text: str) -> Iterator[Text]:
    yield Text(name, style=_LABEL)
    for line in plain_lines(text.rstrip("\n")).split("\n"):
        yield Text(f"{_INDENT}{line}")


def _number(value: float) -> str:
    return f"{value:.6g}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return _NOTHING
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _memory(used: Used | None) -> str:
    if used is None or used.peak_memory_bytes is None:
        return _NOTHING
    return f"{used.peak_memory_bytes / _MIB:.1f} MiB"
