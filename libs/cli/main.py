"""The `proctor` command: its groups, its global options, and how a failure ends it."""

import importlib.metadata
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from cli.commands import (
    changes,
    demo,
    files,
    grader,
    imports,
    keys,
    models,
    runs,
    samples,
    sharing,
    stack,
    suites,
)
from cli.commands.schedules import command as schedules
from cli.errors import CliError
from cli.session import Session, session_of
from cli.views.plain import plain

app = typer.Typer(
    name="proctor",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Evaluate language models: suites, runs, samples, results; and a local stack to try it.",
    epilog="Start here: proctor demo. Or: proctor up, then proctor suites create FILE, then "
    "proctor run SUITE --model MODEL.",
)
app.add_typer(stack.app)
app.add_typer(demo.app)
app.add_typer(models.app)
app.add_typer(keys.app, name="keys")
app.add_typer(files.app, name="files")
suites.app.add_typer(sharing.app)
app.add_typer(suites.app, name="suites")
app.add_typer(runs.app)
app.add_typer(changes.app)
app.add_typer(imports.app)
app.add_typer(grader.app, name="grader")
app.add_typer(schedules.app, name="schedules")
app.add_typer(samples.app)


@app.callback()
def options(
    context: typer.Context,
    base_url: Annotated[
        str | None,
        typer.Option(envvar="PROCTOR_BASE_URL", help="Address of a server; default: local stack."),
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(envvar="PROCTOR_API_KEY", help="API key, prk_…; default: local stack's."),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(envvar="PROCTOR_STATE", help="State folder of the local stack."),
    ] = None,
) -> None:
    """Take the options that hold for every command."""
    session = session_of(context)
    context.obj = replace(
        session, base_url=base_url, api_key=api_key, state_dir=state or session.state_dir
    )


@app.command()
def version(context: typer.Context) -> None:
    """Show the version of this command."""
    session_of(context).out.print(importlib.metadata.version("proctor"), markup=False)


def main(arguments: Sequence[str] | None = None, session: Session | None = None) -> None:
    """Run the command and exit: 0 when it did what was asked, 1 when not, 2 when asked wrongly.

    Args:
        arguments: Words after the command's name; those of the process when left out.
        session: Where to read and write, in tests.
    """
    current = session or Session()
    try:
        words = None if arguments is None else list(arguments)
        app(args=words, prog_name="proctor", obj=current)
    except CliError as error:
        current.err.print(Text.assemble(("Error: ", "bold red"), plain(error.message)))
        for line in error.details:
            current.err.print(Text(f"  {plain(line)}"))
        sys.exit(error.exit_code)
