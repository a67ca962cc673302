"""`proctor suites share`, `unshare`, `shares`: other organisations that may read a suite."""

from typing import Annotated
from urllib.parse import quote

import typer

from cli.arguments import AsJson, SuiteName
from cli.running import run_to_end
from cli.server.connecting import api_of
from cli.server.finding import find_suite
from cli.server.resources import SuiteShare
from cli.session import Session, session_of
from cli.views.plain import plain
from cli.views.tables import shares_table

app = typer.Typer()

Org = Annotated[str, typer.Argument(metavar="ORG", help="Id of an organisation.")]


@app.command()
def share(context: typer.Context, *, suite: SuiteName, org: Org, as_json: AsJson = False) -> None:
    """Let all teams of an organisation read a suite, its versions and its runs; needs an org admin.

    They change nothing, run nothing and download no files.

    Example: proctor suites share arithmetic partners
    """
    session = session_of(context)
    run_to_end(_share(session, suite, org, as_json=as_json))


@app.command()
def unshare(context: typer.Context, *, suite: SuiteName, org: Org, as_json: AsJson = False) -> None:
    """Close a suite to an organisation again, at once; needs an org admin."""
    session = session_of(context)
    run_to_end(_unshare(session, suite, org, as_json=as_json))


@app.command()
def shares(context: typer.Context, *, suite: SuiteName, as_json: AsJson = False) -> None:
    """List with whom a suite of the team is shared, oldest first."""
    session = session_of(context)
    run_to_end(_shares(session, suite, as_json=as_json))


async def _share(session: Session, id_or_name: str, org: str, *, as_json: bool) -> None:
    async with api_of(session) as api:
        suite = await find_suite(api, id_or_name)
        answer = await api.post(f"/evals/suites/{suite.id}/shares", {"org_id": org})
    if as_json:
        session.print_json(answer)
        return
    line = f"{suite.id}  {plain(suite.name)}, shared with {plain(org)}"
    session.out.print(line, markup=False)


async def _unshare(session: Session, id_or_name: str, org: str, *, as_json: bool) -> None:
    async with api_of(session) as api:
        suite = await find_suite(api, id_or_name)
        answer = await api.delete(f"/evals/suites/{suite.id}/shares/{quote(org, safe='')}")
    if as_json:
        session.print_json(answer)
        return
    line = f"{suite.id}  {plain(suite.name)}, not shared with {plain(org)} any more"
    session.out.print(line, markup=False)


async def _shares(session: Session, id_or_name: str, *, as_json: bool) -> None:
    async with api_of(session) as api:
        suite = await find_suite(api, id_or_name)
        entries = [entry async for entry in api.entries(f"/evals/suites/{suite.id}/shares")]
    if not as_json:
        shares_table(SuiteShare.of(entry) for entry in entries).print_to(session.out)
        return
    for entry in entries:
        session.print_json(entry)
