"""`proctor models`: what the local stack can ask."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.local.stack import running_stack_in
from cli.errors import told_in_a_sentence
from cli.session import Session, session_of
from cli.views.local import models_table
from localstack.services.gateway_command import list_models_file
from localstack.services.model_routes import read_model_routes
from localstack.stack.folder import StateFolder

app = typer.Typer()


@app.command()
def models(
    context: typer.Context,
    *,
    file: Annotated[
        Path | None,
        typer.Option("--models", help="models.toml; default: that of the running local stack."),
    ] = None,
    state: Annotated[
        Path | None, typer.Option("--state", help="State folder of the stack; default: .proctor")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")] = False,
) -> None:
    """List the configured models with kind, provider, and whether its key is there; never the key.

    Of a running stack every key is: it does not start without. With --models the keys are looked
    for where you are.

    Example: proctor models --models models.toml
    """
    session = session_of(context)
    _models(session, file, state or session.state_dir, as_json=as_json)


def _models(session: Session, file: Path | None, state_dir: Path, *, as_json: bool) -> None:
    if file is None:
        running_stack_in(state_dir)
    environment = dict(os.environ)  # noqa: TID251 - keys are where `proctor up` would look for them
    with told_in_a_sentence():
        routes = read_model_routes(file or StateFolder(state_dir).models_file)
        lines = list_models_file(routes, environment).splitlines()
    found = [json.loads(line) for line in lines]
    if file is None:
        found = [entry | {"key_present": entry["key_source"] is not None} for entry in found]
    if not as_json:
        models_table(found).print_to(session.out)
        return
    for entry in found:
        session.print_json(entry)
