"""`proctor cancel`, `rerun`, `retry` and `delete`."""

from typing import Annotated

import typer

from cli.arguments import AsJson, RunId
from cli.errors import CliError
from cli.running import run_to_end
from cli.server.api import Api
from cli.server.connecting import api_of
from cli.server.resources import Run, Suite
from cli.session import Session, session_of
from cli.views.plain import plain
from cli.views.progress import shown
from cli.watching import (
    follow,
    require_completed,
    require_samples,
    show_to_the_end,
    warn_of_failures,
)

app = typer.Typer()

# A gateway that is restarted is away for a few seconds; a watch outlives that.
_WATCH_PATIENCE_S = 60

Watch = Annotated[bool, typer.Option(help="Follow it to the end and show results.")]


@app.command()
def cancel(context: typer.Context, *, run_id: RunId, as_json: AsJson = False) -> None:
    """Stop a run and wait until nothing of it is in flight; what was finished stays.

    `proctor retry` resumes it.
    """
    session = session_of(context)
    run_to_end(
        _cancel(session, run_id, as_json=as_json),
        interrupted=f"Interrupted; {run_id} is being cancelled all the same.",
    )


@app.command()
def rerun(
    context: typer.Context, *, run_id: RunId, watch: Watch = True, as_json: AsJson = False
) -> None:
    """Run the failed samples of a completed run again, in place; the others keep their results."""
    _work_again(context, run_id, "rerun-failed", watch=watch, as_json=as_json)


@app.command()
def retry(
    context: typer.Context, *, run_id: RunId, watch: Watch = True, as_json: AsJson = False
) -> None:
    """Resume a failed or cancelled run, in place; completed samples keep their results."""
    _work_again(context, run_id, "retry", watch=watch, as_json=as_json)


@app.command()
def delete(
    context: typer.Context,
    *,
    object_id: Annotated[
        str, typer.Argument(metavar="ID", help="Of a run or suite: eval_run_…, eval_suite_…")
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a run with its artifacts, or a suite with all its runs.

    What is unfinished is cancelled first.

    Example: proctor delete eval_run_0123 --yes
    """
    session = session_of(context)
    run_to_end(_delete(session, object_id, yes=yes))


def _work_again(
    context: typer.Context, run_id: str, action: str, *, watch: bool, as_json: bool
) -> None:
    session = session_of(context)
    run_to_end(
        _started_again(session, run_id, action, watch=watch, as_json=as_json),
        interrupted=f"Interrupted; the run goes on: `proctor watch {run_id}` follows it.",
    )


async def _cancel(session: Session, run_id: str, *, as_json: bool) -> None:
    async with api_of(session, patience_s=_WATCH_PATIENCE_S) as api:
        run = Run.of(await api.post(f"/evals/runs/{run_id}/cancel"))
        if not run.has_ended:
            run = await shown(follow(api, run_id, poll_s=session.poll_s), session.err)
        if as_json:
            session.print_json(await api.get(f"/evals/runs/{run_id}"))
            return
    counts = run.request_counts
    session.out.print(f"{run_id} is {run.status}.", markup=False)
    session.say(f"{counts.ended} of {counts.total} samples had ended.")


async def _started_again(
    session: Session, run_id: str, action: str, *, watch: bool, as_json: bool
) -> None:
    async with api_of(session, patience_s=_WATCH_PATIENCE_S) as api:
        queued = await api.post(f"/evals/runs/{run_id}/{action}")
        if not watch:
            if as_json:
                session.print_json(queued)
            else:
                session.out.print(run_id, markup=False)
        elif as_json:
            run = await shown(follow(api, run_id, poll_s=session.poll_s), session.err)
            session.print_json(await api.get(f"/evals/runs/{run_id}"))
            require_completed(run)
            await warn_of_failures(session, api, run)
            require_samples(run)
        else:
            require_samples(await show_to_the_end(session, api, run_id))


async def _delete(session: Session, object_id: str, *, yes: bool) -> None:
    async with api_of(session) as api:
        path, what = await _found(api, object_id)
        if not yes and not typer.confirm(f"Delete {what}?", err=True):
            raise CliError("Nothing was deleted.")
        answer = await api.delete(path)
    if answer.get("deleted") is not True:
        raise CliError(f"{object_id} was not deleted.")
    runs = answer.get("deleted_runs")
    suffix = "" if runs is None else f", with {runs} {'run' if runs == 1 else 'runs'}"
    session.out.print(f"{object_id} is deleted{suffix}.", markup=False)


async def _found(api: Api, object_id: str) -> tuple[str, str]:
    """Return the path of what has this id, and what it is, for the question."""
    if object_id.startswith("eval_run_"):
        path = f"/evals/runs/{object_id}"
        run = Run.of(await api.get(path))
        return path, f"the run {object_id} ({run.status}) and its artifacts"
    if object_id.startswith("eval_suite_"):
        path = f"/evals/suites/{object_id}"
        suite = Suite.of(await api.get(path))
        return path, f"the suite {plain(suite.name)} ({object_id}) and all its runs"
    if object_id.startswith("file"):
        raise CliError(f"{object_id} is a file: `proctor files delete {object_id}` deletes it.")
    raise CliError(f"{object_id} is not the id of a run or a suite.")
