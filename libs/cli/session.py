"""What every command gets: where to write, which server to ask, and how to run its coroutine."""

import asyncio
import json
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import typer
from rich.console import Console
from rich.text import Text

from cli.api import Api
from cli.errors import CliError, Interrupted
from cli.views.plain import plain
from localstack.errors import LocalStackError
from localstack.stack.description import read_description
from localstack.stack.foreground import StackStopped
from localstack.stack.options import DEFAULT_STATE_DIR

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
    transport: httpx.AsyncBaseTransport | None = None
    poll_s: float = 0.5
    out: Console = field(default_factory=lambda: _console(stderr=False))
    err: Console = field(default_factory=lambda: _console(stderr=True))

    def api(self, *, patience_s: float = 0) -> Api:
        """Return the client of the chosen server.

        Raises:
            CliError: no server or no key is known.
        """
        base_url, api_key = self._address()
        return Api(
            base_url,
            api_key,
            transport=self.transport,
            patience_s=patience_s,
            pause_s=self.poll_s,
        )

    def run(self, work: Coroutine[None, None, None], *, interrupted: str = "Interrupted.") -> None:
        """Run a command's coroutine; Ctrl-C cancels it and ends with the sentence `interrupted`.

        Raises:
            CliError: the command could not do what was asked.
            StackStopped: somebody else stopped the stack that the command kept.
        """
        try:
            asyncio.run(work)
        except KeyboardInterrupt:
            raise Interrupted(interrupted) from None
        except StackStopped:
            raise
        except LocalStackError as error:
            sentence, *details = str(error).splitlines()
            raise CliError(sentence, details=details) from None

    def say(self, line: str) -> None:
        """Tell the person what happens, beside the results."""
        self.err.print(Text(plain(line), style="dim"))

    def print_json(self, value: Mapping[str, object]) -> None:
        """Print one JSON object on one line of the output."""
        print(json.dumps(value, ensure_ascii=False), file=self.out.file)

    def _address(self) -> tuple[str, str]:
        if self.base_url and self.api_key:
            return self.base_url, self.api_key
        local = read_description(self.state_dir)
        if local is None and self.base_url is None:
            raise CliError(
                f"No stack runs in {self.state_dir}: start one with `proctor up`, or name a server "
                "with --base-url and --api-key."
            )
        if local is None or self.base_url not in (None, local.base_url):
            # The local key is for the local stack; it is never sent to another server.
            raise CliError("No API key: give one with --api-key or in PROCTOR_API_KEY.")
        return local.base_url, self.api_key or local.api_key


def session_of(context: typer.Context) -> Session:
    """Return the session that the global options made."""
    session = context.find_object(Session)
    return session or Session()
