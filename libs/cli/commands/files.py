"""`proctor files`: datasets, graders and artifacts."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.arguments import AsJson
from cli.errors import CliError
from cli.running import run_to_end
from cli.server.api import Api
from cli.server.connecting import api_of
from cli.server.downloads import download
from cli.server.finding import suites_using
from cli.server.resources import File
from cli.session import Session, session_of
from cli.views.plain import plain
from cli.views.tables import files_table

app = typer.Typer(
    name="files",
    no_args_is_help=True,
    help="Upload, list, download and delete files.",
    epilog="Example: proctor files upload examples/arithmetic.jsonl",
)

FileId = Annotated[str, typer.Argument(metavar="FILE_ID", help="Id of the file, file_…")]


@app.command()
def upload(
    context: typer.Context,
    *,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files to upload.")],
    purpose: Annotated[str, typer.Option(help="What the files are for.")] = "evals",
    as_json: AsJson = False,
) -> None:
    """Upload files; prints the id of each."""
    session = session_of(context)
    run_to_end(_upload(session, paths, purpose=purpose, as_json=as_json))


@app.command("list")
def list_(
    context: typer.Context,
    *,
    purpose: Annotated[str | None, typer.Option(help="Only files with this purpose.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the team's files, newest first."""
    session = session_of(context)
    run_to_end(_list(session, purpose=purpose, as_json=as_json))


@app.command()
def get(
    context: typer.Context,
    *,
    file_id: FileId,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Download to this path; - is the standard output."),
    ] = None,
) -> None:
    """Show a file's record, or download its content with --output.

    Example: proctor files get file_0123 --output rows.jsonl
    """
    session = session_of(context)
    run_to_end(_get(session, file_id, output))


@app.command()
def delete(
    context: typer.Context,
    *,
    file_id: FileId,
    force: Annotated[bool, typer.Option("--force", help="Also when a suite uses it.")] = False,
) -> None:
    """Delete a file, unless the active version of a suite uses it.

    A run that has not read its files yet fails without them; runs that have go on.
    """
    session = session_of(context)
    run_to_end(_delete(session, file_id, force=force))


async def _upload(session: Session, paths: list[Path], *, purpose: str, as_json: bool) -> None:
    async with api_of(session) as api:
        for path in paths:
            answer = await api.upload(path, purpose=purpose)
            if as_json:
                session.print_json(answer)
                continue
            file = File.of(answer)
            session.out.print(
                f"{file.id}  {plain(file.filename)}  {file.bytes} bytes", markup=False
            )


async def _list(session: Session, *, purpose: str | None, as_json: bool) -> None:
    async with api_of(session) as api:
        entries = [entry async for entry in api.entries("/files", {"purpose": purpose})]
    if not as_json:
        files_table(File.of(entry) for entry in entries).print_to(session.out)
        return
    for entry in entries:
        session.print_json(entry)


async def _get(session: Session, file_id: str, output: Path | None) -> None:
    async with api_of(session) as api:
        if output is None:
            session.print_json(await api.get(f"/files/{file_id}"))
        elif str(output) == "-":
            await _to_stdout(api, file_id)
        else:
            await download(api, file_id, output)
            session.err.print(f"{output}", markup=False)


async def _to_stdout(api: Api, file_id: str) -> None:
    async for chunk in api.content(file_id):
        await asyncio.to_thread(sys.stdout.buffer.write, chunk)
    sys.stdout.buffer.flush()


async def _delete(session: Session, file_id: str, *, force: bool) -> None:
    async with api_of(session) as api:
        users = () if force else await suites_using(api, file_id)
        if users:
            versions = [f"{user.id}  {user.name}, version {user.active_version}" for user in users]
            raise CliError(
                f"{file_id} is used by these suites, whose next runs would fail without it; "
                "--force deletes it all the same.",
                details=versions,
            )
        answer = await api.delete(f"/files/{file_id}")
    if answer.get("deleted") is not True:
        raise CliError(f"{file_id} was not deleted.")
    session.out.print(f"{file_id} is deleted.", markup=False)
