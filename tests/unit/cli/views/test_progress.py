import io
from collections.abc import AsyncIterator

from rich.console import Console

from cli.server.resources import Run
from cli.views.progress import shown


def state(status: str, ended: int, total: int = 100) -> Run:
    return Run.of(
        {
            "id": "r",
            "suite_id": "s",
            "suite_version": 1,
            "status": status,
            "models": [],
            "request_counts": {"total": total, "completed": ended, "failed": 0},
        }
    )


async def states(*runs: Run) -> AsyncIterator[Run]:
    for run in runs:
        yield run


async def test_plain_lines_come_with_each_tenth_and_each_status() -> None:
    out = io.StringIO()
    seen = states(
        state("queued", 0, 0),
        *(state("in_progress", ended) for ended in range(101)),
        state("completed", 100),
    )

    last = await shown(seen, Console(file=out, width=100))

    assert last.status == "completed"
    assert len(out.getvalue().splitlines()) == 1 + 11 + 1


async def test_a_terminal_shows_counts_rate_and_time_left() -> None:
    out = io.StringIO()
    console = Console(file=out, width=120, force_terminal=True)

    await shown(states(state("in_progress", 40), state("completed", 100)), console)

    text = out.getvalue()
    assert "100/100" in text
    assert "0 failed" in text
    assert "/s" in text
