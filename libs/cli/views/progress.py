"""A run's progress: a bar in a terminal, plain lines elsewhere."""

from collections.abc import AsyncIterable
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from cli.server.resources import Run

# A line for every tenth of the way is enough for a log.
_PLAIN_STEPS = 10


class _View(Protocol):
    def show(self, run: Run) -> None: ...
    def close(self) -> None: ...


async def shown(runs: AsyncIterable[Run], console: Console) -> Run:
    """Show every state of a run as it comes and return the last one."""
    view: _View = _Bar(console) if console.is_terminal else _Lines(console)
    last: Run | None = None
    try:
        async for run in runs:
            view.show(run)
            last = run
    finally:
        view.close()
    if last is None:
        raise ValueError("a run has at least one state")
    return last


class _Rate(ProgressColumn):
    """Samples ended in a second, over the last half minute."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed else "-", style="cyan")


class _Bar:
    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<11}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("[red]{task.fields[failed]} failed"),
            _Rate(),
            TextColumn("elapsed"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._progress.add_task("queued", total=None, failed=0)
        self._progress.start()

    def show(self, run: Run) -> None:
        counts = run.request_counts
        self._progress.update(
            self._task,
            description=run.status,
            total=counts.total or None,
            completed=counts.ended,
            failed=counts.failed,
        )

    def close(self) -> None:
        self._progress.stop()


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: tuple[str, int] | None = None

    def show(self, run: Run) -> None:
        counts = run.request_counts
        step = counts.ended * _PLAIN_STEPS // counts.total if counts.total else 0
        if (run.status, step) == self._last:
            return
        self._last = (run.status, step)
        samples = f": {counts.ended} of {counts.total} samples, {counts.failed} failed"
        self._console.print(run.status + (samples if counts.total else ""), markup=False)

    def close(self) -> None:
        """Nothing to tidy up."""
