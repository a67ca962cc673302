"""`proctor samples`: prompts, outputs, scores and errors, one by one."""

from enum import StrEnum
from typing import Annotated

import typer

from cli.running import run_to_end
from cli.server.api import Params
from cli.server.connecting import api_of
from cli.server.resources import Sample
from cli.session import Session, session_of
from cli.views.tables import samples_table

app = typer.Typer()

_PAGE = 500

# A table on a terminal is read by a person; a pipe and JSON go on to the end.
_TABLE_ROWS = 100


class SampleStatus(StrEnum):
    """Where a sample is in its life."""

    QUEUED = "queued"
    GENERATING = "generating"
    READY_TO_SCORE = "ready_to_score"
    SCORING = "scoring"
    COMPLETED = "completed"
    FAILED = "failed"


@app.command()
def samples(  # noqa: PLR0913 - the options of one command
    context: typer.Context,
    *,
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, eval_run_…")],
    task: Annotated[str | None, typer.Option(help="Only this task.")] = None,
    model: Annotated[str | None, typer.Option(help="Only this model.")] = None,
    status: Annotated[SampleStatus | None, typer.Option(help="Only samples in it.")] = None,
    metric: Annotated[str | None, typer.Option(help="Metric of the bounds.")] = None,
    score_min: Annotated[float | None, typer.Option(help="Lowest score.")] = None,
    score_max: Annotated[float | None, typer.Option(help="Highest score.")] = None,
    index: Annotated[list[int] | None, typer.Option(min=0, help="Row; repeatable.")] = None,
    reasoning: Annotated[bool, typer.Option(help="With the models' reasoning (JSON).")] = False,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="At most this many; default: 100 on a terminal, else all."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Whole samples, one a line.")] = False,
) -> None:
    """List the samples of a run in order; --json prints prompts, rows and everything else.

    Example: proctor samples eval_run_0123 --status failed --json
    """
    filters: Params = {
        "task_id": task,
        "model": model,
        "status": status.value if status else None,
        "score_metric": metric,
        "score_min": score_min,
        "score_max": score_max,
        "sample_index": ",".join(str(number) for number in index) if index else None,
        "include_reasoning": reasoning,
        "include_dataset_row": as_json,
        "limit": min(limit or _PAGE, _PAGE),
    }
    session = session_of(context)
    run_to_end(_samples(session, run_id, filters, limit=limit, as_json=as_json))


async def _samples(
    session: Session, run_id: str, filters: Params, *, limit: int | None, as_json: bool
) -> None:
    most = limit or (_TABLE_ROWS if session.out.is_terminal and not as_json else None)
    shown: list[Sample] = []
    count = 0
    async with api_of(session) as api:
        async for entry in api.entries(f"/evals/runs/{run_id}/samples", filters):
            if count == most:
                break
            count += 1
            if as_json:
                session.print_json(entry)
            else:
                shown.append(Sample.of(entry))
        else:
            most = None
    if not count:
        session.err.print("No sample matches.")
        return
    if not as_json:
        samples_table(shown).print_to(session.out)
    if most is not None:
        session.err.print(f"These are the first {most}; --limit shows more.", markup=False)
