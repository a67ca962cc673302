"""`proctor up`, `down`, `restart` and `status`: the stack on this machine."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from cli.arguments import State
from cli.errors import CliError, Interrupted
from cli.running import run_to_end
from cli.session import Session, session_of
from cli.views.listing import Listing
from localstack.errors import StackStopped
from localstack.processes import is_alive
from localstack.stack.description import StackDescription, read_description
from localstack.stack.detached import restart_service, start_detached, stop_stack
from localstack.stack.options import StackOptions

app = typer.Typer()

AsJson = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]


@app.command()
def up(
    context: typer.Context,
    *,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when it runs.")] = False,
    as_json: AsJson = False,
    state: State = None,
    models: Annotated[
        Path | None, typer.Option(help="models.toml; default: a small local model.")
    ] = None,
    port: Annotated[
        int,
        typer.Option(
            min=0,
            max=65535,
            help="Port of REST, kept in the state folder; 0: the one kept there, else a free one.",
        ),
    ] = 0,
) -> None:
    """Start everything on this machine and print the address and an API key.

    Runs until Ctrl-C, or with --detach until `proctor down`. Data stays in the state folder.

    Example: proctor up --models models.toml --port 8080
    """
    session = session_of(context)
    options = stack_options(state or session.state_dir, models_file=models, port=port)
    if detach:
        run_to_end(_up_detached(session, options, as_json=as_json))
        return
    try:
        run_to_end(_up(session, options, as_json=as_json))
    except (Interrupted, StackStopped):
        session.err.print("Stopped; the data stays.")


@app.command()
def down(context: typer.Context, *, state: State = None) -> None:
    """Stop the stack; its data stays."""
    session = session_of(context)
    run_to_end(_down(session, state or session.state_dir))


@app.command()
def restart(
    context: typer.Context,
    service: Annotated[
        str, typer.Argument(help="gateway, orchestrator, grader, importer, postgres, nats, model")
    ],
    *,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Restart one part of the running stack and return when it works again.

    Example: proctor restart orchestrator
    """
    session = session_of(context)
    run_to_end(_restart(session, state or session.state_dir, service, as_json=as_json))


@app.command()
def status(context: typer.Context, *, state: State = None, as_json: AsJson = False) -> None:
    """Show what runs on this machine, with address and key; an error when nothing does."""
    session = session_of(context)
    description = running_stack_in(state or session.state_dir)
    if as_json:
        session.print_json(description.as_json())
        return
    _show_description(session, description)
    states = {pid: "runs" if is_alive(pid) else "ended" for pid in description.pids.values()}
    rows = [(name, str(pid), states[pid]) for name, pid in description.pids.items()]
    Listing(names=("part", "pid", "state"), rows=rows).print_to(session.out)


def stack_options(
    state_dir: Path, *, models_file: Path | None = None, port: int = 0
) -> StackOptions:
    """Return what to start a stack with; the gateway gets provider keys from our environment."""
    return StackOptions(
        state_dir=state_dir,
        models_file=models_file,
        port=port,
        environment=dict(os.environ),  # noqa: TID251 - a stack is started from a shell's environment
    )


def running_stack_in(state_dir: Path) -> StackDescription:
    """Return what runs in a folder.

    Raises:
        CliError: nothing does.
    """
    description = read_description(state_dir)
    if description is None:
        raise CliError(f"No stack runs in {state_dir}; start one with `proctor up`.")
    return description


async def _up(session: Session, options: StackOptions, *, as_json: bool) -> None:
    # All other commands, and `up --detach`, do without the clients of a stack's parts.
    from localstack.stack.foreground import running_stack  # noqa: PLC0415

    async with running_stack(options, progress=session.say) as stack:
        _announce(session, stack.describe(), as_json=as_json)
        session.err.print("Ctrl-C stops it.")
        await stack.run()


async def _up_detached(session: Session, options: StackOptions, *, as_json: bool) -> None:
    description = await start_detached(options, progress=session.say)
    _announce(session, description, as_json=as_json)
    session.err.print("`proctor down` stops it.", markup=False)


async def _down(session: Session, state_dir: Path) -> None:
    stopped = await stop_stack(state_dir)
    sentence = "Stopped; the data stays." if stopped else f"No stack runs in {state_dir}."
    session.err.print(sentence, markup=False)


async def _restart(session: Session, state_dir: Path, service: str, *, as_json: bool) -> None:
    description = await restart_service(state_dir, service)
    if as_json:
        session.print_json(description.as_json())
        return
    session.out.print(f"{service} runs again (pid {description.pids[service]}).", markup=False)


def _announce(session: Session, description: StackDescription, *, as_json: bool) -> None:
    if as_json:
        session.print_json(description.as_json())
    else:
        _show_description(session, description)


def _show_description(session: Session, description: StackDescription) -> None:
    lines = {
        "address": description.base_url,
        "API key": description.api_key,
        "API docs": f"{description.base_url}/docs",
        "NATS": description.nats_url,
        "Postgres": description.postgres_dsn,
        "state": str(description.state_dir),
        "logs": str(description.state_dir / "logs"),
    }
    for name, value in lines.items():
        # Never wrapped: these are copied.
        session.out.print(Text(f"{name:<9} {value}"), soft_wrap=True)
