"""`proctor keys`: API keys of the stack on this machine, through the gateway's own command."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from cli.arguments import AsJson, State
from cli.errors import told_in_a_sentence
from cli.session import Session, session_of
from cli.views.local import keys_table
from localstack.stack.keys import gateway_keys

app = typer.Typer(
    name="keys",
    no_args_is_help=True,
    help="Create, list and revoke API keys of the local stack.",
    epilog="Example: proctor keys create --name ci --scope read:evals --scope read:files",
)


@app.command()
def create(
    context: typer.Context,
    *,
    name: Annotated[str, typer.Option(help="What the key is for.")],
    org: Annotated[str, typer.Option(help="Organisation it belongs to.")] = "local",
    team: Annotated[str, typer.Option(help="Team it belongs to.")] = "local",
    scopes: Annotated[
        list[str] | None,
        typer.Option(
            "--scope", help="read:evals, write:evals, read:files, write:files; default: all."
        ),
    ] = None,
    org_admin: Annotated[
        bool, typer.Option("--org-admin", help="Of an admin of the organisation: may share suites.")
    ] = False,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Create a key and print it; it is shown this once.

    Example: proctor keys create --name ci --scope read:evals
    """
    words = ["create", "--name", name, "--org", org, "--team", team]
    words += [word for scope in scopes or () for word in ("--scope", scope)]
    words += ["--org-admin"] if org_admin else []
    session = session_of(context)
    _keys(session, state, words, as_json=as_json)


@app.command("list")
def list_(context: typer.Context, *, state: State = None, as_json: AsJson = False) -> None:
    """List all keys, without their secrets."""
    session = session_of(context)
    _list(session, state, as_json=as_json)


@app.command()
def revoke(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Id of the key, or the whole key.")],
    *,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Make a key useless, within seconds."""
    session = session_of(context)
    # After `--` nothing is an option, whatever the key looks like.
    _keys(session, state, ["revoke", "--", key], as_json=as_json)


def _keys(session: Session, state: Path | None, words: Sequence[str], *, as_json: bool) -> None:
    action, *rest = words
    arguments = [action, *(["--json"] if as_json else []), *rest]
    with told_in_a_sentence():
        printed = gateway_keys(state or session.state_dir, arguments)
    session.out.print(printed.rstrip("\n"), markup=False, soft_wrap=True)


def _list(session: Session, state: Path | None, *, as_json: bool) -> None:
    with told_in_a_sentence():
        entries = json.loads(gateway_keys(state or session.state_dir, ["list", "--json"]))
    if not as_json:
        keys_table(entries).print_to(session.out)
        return
    for entry in entries:
        session.print_json(entry)
