"""`proctor version`."""

import importlib.metadata

import typer

from cli.session import session_of

app = typer.Typer()


@app.command()
def version(context: typer.Context) -> None:
    """Show the version of this command."""
    session_of(context).out.print(importlib.metadata.version("proctor"), markup=False)
