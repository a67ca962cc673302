"""What every command gets: where to write, and what was said of server and stack."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.text import Text

from cli.views.plain import plain
from localstack.stack.options import DEFAULT_STATE_DIR

if TYPE_CHECKING:  # every command has a session, and not all of them speak HTTP
    import httpx

# A table in a pipe has no window to fit into; ids must not be cut.
_PIPE_COLUMNS = 200


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    return (
        console
        if console.is_terminal
        else Console(stderr=stderr, highlight=False, width=_PIPE_COLUMNS)
    )


@dataclass(frozen=True, kw_only=True)
class Session:
    """One invocation of the command.

    Attributes:
        base_url: Address given by the caller; None for the local stack's.
        api_key: Key given by the caller; None for the local stack's.
        state_dir: State folder of the local stack.
        transport: Replaces the network in tests.
        poll_s: Pause between two looks at something that is not ready.
        out: Where results go.
        err: Where progress and errors go.
    """

    base_url: str | None = None
    api_key: str | None = None
    state_dir: Path = DEFAULT_STATE_DIR
    transport: "httpx.AsyncBaseTransport | None" = None
    poll_s: float = 0.5
    out: Console = field(default_factory=lambda: _console(stderr=False))
    err: Console = field(default_factory=lambda: _console(stderr=True))

    def say(self, line: str) -> None:
        """Tell the person what happens, beside the results."""
        self.err.print(Text(plain(line), style="dim"))

    def print_json(self, value: Mapping[str, object]) -> None:
        """Print one JSON object on one line of the output."""
        print(json.dumps(value, ensure_ascii=False), file=self.out.file)


def session_of(context: typer.Context) -> Session:
    """Return the session that the global options made."""
    session = context.find_object(Session)
    return session or Session()
