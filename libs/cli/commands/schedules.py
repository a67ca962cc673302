"""`proctor schedules`: runs that start by the clock."""

from typing import Annotated

import typer
from pydantic import JsonValue

from cli.arguments import AsJson, SuiteName
from cli.errors import CliError
from cli.running import run_to_end
from cli.server.connecting import api_of
from cli.server.finding import find_suite
from cli.server.resources import JsonObject, Schedule
from cli.session import Session, session_of
from cli.views.plain import plain
from cli.views.tables import schedules_table

app = typer.Typer(name="schedules", no_args_is_help=True, help="Start runs of suites by the clock.")

ScheduleId = Annotated[
    str, typer.Argument(metavar="SCHEDULE", help="Id of a schedule, eval_schedule_…")
]


@app.command("list")
def list_(
    context: typer.Context,
    *,
    suite: Annotated[str | None, typer.Option(help="Only those of this suite id.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the team's schedules, newest first."""
    session = session_of(context)
    run_to_end(_list(session, suite, as_json=as_json))


@app.command()
def create(  # noqa: PLR0913 - the options of one command
    context: typer.Context,
    *,
    suite: SuiteName,
    models: Annotated[list[str], typer.Option("--model", "-m", help="Model; repeatable.")],
    cron: Annotated[str | None, typer.Option(help='Five fields, such as "30 2 * * *".')] = None,
    every: Annotated[
        int | None, typer.Option(min=60, metavar="SECONDS", help="Instead of --cron.")
    ] = None,
    timezone: Annotated[str | None, typer.Option(help="Of --cron; default UTC.")] = None,
    overlap: Annotated[
        str | None, typer.Option(help="skip (default), buffer_one or allow_all.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Default: the suite's name.")] = None,
    judge_model: Annotated[str | None, typer.Option(help="Model that graders ask.")] = None,
    max_samples: Annotated[int | None, typer.Option(min=1, help="Rows per task at most.")] = None,
    as_json: AsJson = False,
) -> None:
    """Start runs of a suite by the clock, with the key that this command has.

    Example: proctor schedules create arithmetic -m smollm2-135m --cron "30 2 * * *"
    """
    if (cron is None) == (every is None):
        raise CliError("Give one of --cron and --every.")
    run: JsonObject = {"models": list(models)}
    run |= _given(judge_model=judge_model, max_samples_per_task=max_samples)
    when = _given(cron=cron, interval_seconds=every, timezone=timezone, overlap_policy=overlap)
    session = session_of(context)
    body: JsonObject = {**when, **_given(name=name), "run": run}
    run_to_end(_create(session, suite, body, as_json=as_json))


@app.command()
def trigger(context: typer.Context, *, schedule_id: ScheduleId, as_json: AsJson = False) -> None:
    """Start a run of a schedule now, besides its times; prints the run's id."""
    session = session_of(context)
    run_to_end(_trigger(session, schedule_id, as_json=as_json))


@app.command()
def delete(
    context: typer.Context,
    *,
    schedule_id: ScheduleId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a schedule; runs that it started stay."""
    session = session_of(context)
    run_to_end(_delete(session, schedule_id, yes=yes))


def _given(**options: JsonValue) -> JsonObject:
    return {name: value for name, value in options.items() if value is not None}


async def _list(session: Session, suite_id: str | None, *, as_json: bool) -> None:
    async with api_of(session) as api:
        filters = {"suite_id": suite_id, "limit": 100}
        entries = [entry async for entry in api.entries("/evals/schedules", filters)]
    if not as_json:
        schedules_table(Schedule.of(entry) for entry in entries).print_to(session.out)
        return
    for entry in entries:
        session.print_json(entry)


async def _create(session: Session, suite: str, body: JsonObject, *, as_json: bool) -> None:
    async with api_of(session) as api:
        found = await find_suite(api, suite)
        named = {"name": found.name, **body, "suite_id": found.id}
        answer = await api.post("/evals/schedules", named)
    if as_json:
        session.print_json(answer)
        return
    schedule = Schedule.of(answer)
    session.out.print(f"{schedule.id}  {plain(schedule.name)}", markup=False)


async def _trigger(session: Session, schedule_id: str, *, as_json: bool) -> None:
    async with api_of(session) as api:
        answer = await api.post(f"/evals/schedules/{schedule_id}/trigger")
    if as_json:
        session.print_json(answer)
        return
    run_id = Schedule.of(answer).last_run_id or ""
    session.out.print(run_id, markup=False)
    session.say(f"`proctor watch {run_id}` follows it.")


async def _delete(session: Session, schedule_id: str, *, yes: bool) -> None:
    path = f"/evals/schedules/{schedule_id}"
    async with api_of(session) as api:
        schedule = Schedule.of(await api.get(path))
        what = f"the schedule {plain(schedule.name)} ({schedule_id})"
        if not yes and not typer.confirm(f"Delete {what}?", err=True):
            raise CliError("Nothing was deleted.")
        await api.delete(path)
    session.out.print(f"{schedule_id} is deleted.", markup=False)
