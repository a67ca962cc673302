"""`proctor run`, `watch`, `results`, `artifacts`, `runs` and `leaderboard`."""

import json
from pathlib import Path
from typing import Annotated

import typer
from pydantic import JsonValue

from cli.arguments import AsJson, RunId
from cli.errors import CliError
from cli.running import run_to_end
from cli.server.api import Api, Params
from cli.server.connecting import api_of
from cli.server.downloads import artifact_files, fetch_artifacts
from cli.server.finding import find_suite
from cli.server.resources import BoardRow, JsonObject, Run
from cli.session import Session, session_of
from cli.views.plain import plain
from cli.views.progress import shown
from cli.views.tables import board_table, runs_table
from cli.watching import (
    follow,
    require_completed,
    require_samples,
    show_results,
    show_to_the_end,
    warn_of_failures,
)

app = typer.Typer()

# A gateway that is restarted is away for a few seconds; a watch outlives that.
_WATCH_PATIENCE_S = 60

Tasks = Annotated[list[str] | None, typer.Option("--task", help="Task to run; repeatable.")]
Cap = Annotated[int | None, typer.Option(min=1, help="Rows per task at most.")]


@app.command()
def run(  # noqa: PLR0913 - the options of one command
    context: typer.Context,
    *,
    suite: Annotated[str, typer.Argument(metavar="SUITE", help="Id or name of a suite.")],
    models: Annotated[list[str], typer.Option("--model", "-m", help="Model; repeatable.")],
    tasks: Tasks = None,
    version: Annotated[int | None, typer.Option(min=1, help="Default: the active one.")] = None,
    judge_model: Annotated[str | None, typer.Option(help="Model that graders ask.")] = None,
    embedding_model: Annotated[str | None, typer.Option(help="For graders.")] = None,
    max_samples: Cap = None,
    concurrency: Annotated[int | None, typer.Option(min=1, max=25, help="Calls at once.")] = None,
    generation: Annotated[
        str | None, typer.Option(metavar="JSON", help='Such as {"temperature": 0}.')
    ] = None,
    watch: Annotated[bool, typer.Option(help="Follow it to the end and show results.")] = True,
    as_json: AsJson = False,
) -> None:
    """Start a run of a suite; an error unless it completes with a sample that did.

    Ctrl-C stops watching, not the run.

    Example: proctor run arithmetic -m smollm2-135m --judge-model smollm2-135m --max-samples 10
    """
    body: JsonObject = {"models": list(models)}
    given: dict[str, JsonValue] = {
        "task_ids": list(tasks) if tasks else None,
        "suite_version": version,
        "judge_model": judge_model,
        "embedding_model": embedding_model,
        "max_samples_per_task": max_samples,
        "concurrency": concurrency,
        "generation": _generation(generation),
    }
    body |= {key: value for key, value in given.items() if value is not None}
    session = session_of(context)
    run_to_end(
        _run(session, suite, body, watch=watch, as_json=as_json),
        interrupted="Interrupted; a run that was started goes on: see `proctor runs`.",
    )


@app.command("watch")
def watch_(context: typer.Context, *, run_id: RunId, as_json: AsJson = False) -> None:
    """Follow a run to its end and show its results; an error unless it and a sample complete."""
    session = session_of(context)
    run_to_end(
        _watch(session, run_id, as_json=as_json),
        interrupted=f"Interrupted; the run goes on: `proctor watch {run_id}` follows it again.",
    )


@app.command()
def runs(
    context: typer.Context,
    *,
    suite: Annotated[str | None, typer.Option(help="Only runs of this suite id.")] = None,
    version: Annotated[int | None, typer.Option(min=1, help="Needs --suite.")] = None,
    status: Annotated[str | None, typer.Option(help="Only runs in this status.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the team's runs, newest first."""
    session = session_of(context)
    filters: Params = {"suite_id": suite, "suite_version": version, "status": status}
    run_to_end(_runs(session, filters, as_json=as_json))


@app.command()
def results(context: typer.Context, *, run_id: RunId, as_json: AsJson = False) -> None:
    """Show the results of a finished run by task and model."""
    session = session_of(context)
    run_to_end(_results(session, run_id, as_json=as_json))


@app.command()
def artifacts(
    context: typer.Context,
    *,
    run_id: RunId,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to download them into.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the artifact files of a completed run, or download them with --output.

    Example: proctor artifacts eval_run_0123 --output results/
    """
    session = session_of(context)
    run_to_end(_artifacts(session, run_id, output, as_json=as_json))


@app.command()
def leaderboard(
    context: typer.Context,
    *,
    suite: Annotated[str, typer.Argument(metavar="SUITE", help="Id or name of a suite.")],
    metric: Annotated[str, typer.Option(help="Key in scores that is averaged.")] = "reward",
    version: Annotated[int | None, typer.Option(min=1, help="Only runs of this version.")] = None,
    agent: Annotated[str | None, typer.Option(help="Only this agent.")] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Only this model.")] = None,
    as_json: AsJson = False,
) -> None:
    """Rank the agents whose runs of a suite completed, best first.

    Example: proctor leaderboard terminal-tasks --version 2
    """
    session = session_of(context)
    asked: Params = {"metric": metric, "suite_version": version, "agent": agent, "model": model}
    run_to_end(_leaderboard(session, suite, asked, as_json=as_json))


async def _run(
    session: Session, suite: str, body: JsonObject, *, watch: bool, as_json: bool
) -> None:
    async with api_of(session, patience_s=_WATCH_PATIENCE_S) as api:
        found = await find_suite(api, suite)
        started = Run.of(await api.post("/evals/runs", {"suite_id": found.id, **body}))
        session.err.print(f"Started {started.id}.", markup=False)
        if watch and not as_json:
            require_samples(await show_to_the_end(session, api, started.id))
        elif watch:
            await _watch_json(session, api, started.id)
        elif as_json:
            session.print_json(await api.get(f"/evals/runs/{started.id}"))
        else:
            session.out.print(started.id, markup=False)


async def _watch(session: Session, run_id: str, *, as_json: bool) -> None:
    async with api_of(session, patience_s=_WATCH_PATIENCE_S) as api:
        if as_json:
            await _watch_json(session, api, run_id)
        else:
            require_samples(await show_to_the_end(session, api, run_id))


async def _watch_json(session: Session, api: Api, run_id: str) -> None:
    run = await shown(follow(api, run_id, poll_s=session.poll_s), session.err)
    session.print_json(await api.get(f"/evals/runs/{run_id}"))
    require_completed(run)
    await warn_of_failures(session, api, run)
    require_samples(run)


async def _runs(session: Session, filters: Params, *, as_json: bool) -> None:
    async with api_of(session) as api:
        entries = [entry async for entry in api.entries("/evals/runs", {"limit": 100, **filters})]
    if not as_json:
        runs_table(Run.of(entry) for entry in entries).print_to(session.out)
        return
    for entry in entries:
        session.print_json(entry)


async def _leaderboard(session: Session, suite: str, asked: Params, *, as_json: bool) -> None:
    async with api_of(session) as api:
        found = await find_suite(api, suite)
        answer = await api.get(f"/evals/suites/{found.id}/leaderboard", asked)
    if as_json:
        session.print_json(answer)
        return
    rows = answer.get("data")
    read = (
        [BoardRow.of(row) for row in rows if isinstance(row, dict)]
        if isinstance(rows, list)
        else []
    )
    board_table(read, metric=str(asked["metric"])).print_to(session.out)
    if not read:
        session.say("No completed run of an agent; `proctor runs` lists runs of models, too.")


async def _results(session: Session, run_id: str, *, as_json: bool) -> None:
    async with api_of(session) as api:
        answer = await api.get(f"/evals/runs/{run_id}")
        run = Run.of(answer)
        if as_json:
            session.print_json(answer)
            return
        if not run.has_ended:
            raise CliError(f"Run {run_id} is {run.status}: `proctor watch {run_id}` waits for it.")
        require_completed(run)
        await show_results(session, api, run)


async def _artifacts(session: Session, run_id: str, folder: Path | None, *, as_json: bool) -> None:
    async with api_of(session) as api:
        if as_json and folder is None:
            session.print_json(await api.get(f"/evals/runs/{run_id}/artifacts"))
            return
        files = await artifact_files(api, run_id)
        if not files:
            raise CliError(
                f"Run {run_id} has no artifacts: only a completed run has, and only its own team "
                "gets them."
            )
        if folder is None:
            for file in files:
                session.out.print(
                    f"{file.id}  {plain(file.filename)}  {file.bytes} bytes", markup=False
                )
            return
        for path in await fetch_artifacts(api, run_id, folder):
            session.out.print(f"{path}", markup=False)


def _generation(text: str | None) -> JsonValue:
    if text is None:
        return None
    try:
        return json.loads(text)  # type: ignore[no-any-return]
    except ValueError as error:
        raise CliError(f"--generation is not JSON: {error}.") from error
