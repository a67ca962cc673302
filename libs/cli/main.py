"""The `proctor` command: its groups, its global options, and how a failure ends it."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text
from typer.main import get_group

from cli.command_table import all_commands
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


def main(arguments: Sequence[str] | None = None, session: Session | None = None) -> None:
    """Run the command and exit: 0 when it did what was asked, 1 when not, 2 when asked wrongly.

    Args:
        arguments: Words after the command's name; those of the process when left out.
        session: Where to read and write, in tests.
    """
    current = session or Session()
    try:
        words = None if arguments is None else list(arguments)
        group = get_group(app)
        for command in all_commands():
            group.add_command(command)
        group(args=words, prog_name="proctor", obj=current)
    except CliError as error:
        current.err.print(Text.assemble(("Error: ", "bold red"), plain(error.message)))
        for line in error.details:
            current.err.print(Text(f"  {plain(line)}"))
        sys.exit(error.exit_code)
