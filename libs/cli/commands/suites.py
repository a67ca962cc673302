"""`proctor suites`: versioned manifests."""

from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

import typer
from pydantic import JsonValue

from cli.arguments import AsJson, SuiteName
from cli.commands import sharing
from cli.errors import ApiError
from cli.running import run_to_end
from cli.server.api import Api
from cli.server.connecting import api_of
from cli.server.finding import find_suite
from cli.server.resources import File, JsonObject, Suite, SuiteVersion
from cli.session import Session, session_of
from cli.suite_files import read_suite_file, resolved
from cli.views.plain import plain
from cli.views.tables import dataset_file_ids, suites_table, tasks_table

app = typer.Typer(
    name="suites",
    no_args_is_help=True,
    help="Create, list, show and change suites.",
    epilog="Example: proctor suites create examples/arithmetic-suite.json",
)
app.add_typer(sharing.app)

SuitePath = Annotated[Path, typer.Argument(help="Manifest, or suite with name and manifest; JSON.")]


@app.command()
def create(
    context: typer.Context,
    *,
    file: SuitePath,
    name: Annotated[str | None, typer.Option(help="Name; default: the file's.")] = None,
    description: Annotated[str | None, typer.Option(help="What it is about.")] = None,
    as_json: AsJson = False,
) -> None:
    """Create a suite from a file and upload what it refers to.

    In the file, "file_id": "@rows.jsonl" uploads rows.jsonl from the folder of the file, and
    "source": "@grader.py" takes the text of grader.py. Files outside that folder are not read.

    Example: proctor suites create examples/arithmetic-suite.json
    """
    session = session_of(context)
    run_to_end(_create(session, file, name=name, description=description, as_json=as_json))


@app.command("version")
def version_(
    context: typer.Context,
    *,
    suite: SuiteName,
    file: SuitePath,
    stage: Annotated[
        bool, typer.Option("--stage", help="New runs keep using the version active now.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add a version to a suite from a file; a name and a description in it are not read.

    Uploads what the file refers to, as `proctor suites create` does.

    Example: proctor suites version arithmetic examples/arithmetic-suite.json --stage
    """
    session = session_of(context)
    run_to_end(_version(session, suite, file, stage=stage, as_json=as_json))


@app.command("list")
def list_(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List the suites that the team sees, newest first: its own, and those shared with it."""
    session = session_of(context)
    run_to_end(_list(session, as_json=as_json))


@app.command()
def show(
    context: typer.Context,
    *,
    suite: SuiteName,
    version: Annotated[int | None, typer.Option(min=1, help="Default: the active one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the tasks of a suite version; --json prints the whole manifest."""
    session = session_of(context)
    run_to_end(_show(session, suite, version=version, as_json=as_json))


async def _create(
    session: Session, file: Path, *, name: str | None, description: str | None, as_json: bool
) -> None:
    content = read_suite_file(file, name=name, description=description)
    async with api_of(session) as api:
        answer = await api.post("/evals/suites", await resolved(content, api))
    if as_json:
        session.print_json(answer)
        return
    suite = Suite.of(answer)
    session.out.print(f"{suite.id}  {plain(suite.name)}", markup=False)


async def _version(
    session: Session, id_or_name: str, file: Path, *, stage: bool, as_json: bool
) -> None:
    content = read_suite_file(file, name=None, description=None)
    async with api_of(session) as api:
        suite = await find_suite(api, id_or_name)
        body = await resolved(content, api)
        del body["name"]
        body.pop("description", None)
        path = f"/evals/suites/{suite.id}/versions"
        answer = await api.post(path, {**body, "make_active": not stage})
    if as_json:
        session.print_json(answer)
        return
    state = "staged" if stage else "active"
    ordinal = SuiteVersion.of(answer).version
    session.out.print(f"{suite.id}  {plain(suite.name)}, version {ordinal}, {state}", markup=False)


async def _list(session: Session, *, as_json: bool) -> None:
    async with api_of(session) as api:
        entries = [entry async for entry in api.entries("/evals/suites", {"limit": 100})]
    if not as_json:
        suites_table(Suite.of(entry) for entry in entries).print_to(session.out)
        return
    for entry in entries:
        session.print_json(entry)


async def _show(session: Session, id_or_name: str, *, version: int | None, as_json: bool) -> None:
    async with api_of(session) as api:
        suite = await find_suite(api, id_or_name)
        ordinal = suite.active_version if version is None else version
        answer = await api.get(f"/evals/suites/{suite.id}/versions/{ordinal}")
        tasks = _tasks(answer.get("manifest"))
        closed = "(not shared)" if suite.access == "shared" else "(deleted)"
        file_ids = [] if as_json else dataset_file_ids(tasks)
        filenames = await _filenames(api, file_ids, closed=closed)
    if as_json:
        session.print_json(answer)
        return
    session.err.print(f"{suite.id}  {plain(suite.name)}, version {ordinal}", markup=False)
    tasks_table(tasks, filenames).print_to(session.out)


async def _filenames(api: Api, file_ids: Sequence[str], *, closed: str) -> dict[str, str]:
    names: dict[str, str] = {}
    for file_id in file_ids:
        try:
            names[file_id] = File.of(await api.get(f"/files/{file_id}")).filename
        except ApiError as error:
            if error.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN):
                raise
            # A key for evaluations may be none for files.
            names[file_id] = closed if error.status == HTTPStatus.NOT_FOUND else ""
    return names


def _tasks(manifest: JsonValue) -> list[JsonObject]:
    tasks = manifest.get("tasks") if isinstance(manifest, dict) else None
    return [task for task in tasks if isinstance(task, dict)] if isinstance(tasks, list) else []
