"""The supervisor of a detached stack: `python -m localstack.stack --state DIR`.

Says on its standard output, one JSON object a line, what happens until the stack runs.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from localstack.errors import LocalStackError, StackStopped
from localstack.stack.folder import StackAlreadyUp
from localstack.stack.foreground import running_stack
from localstack.stack.options import StackOptions
from servicekit.clock import utc_now


def main() -> None:
    """Keep the stack until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m localstack.stack")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    options = StackOptions(
        state_dir=arguments.state,
        models_file=arguments.models,
        port=arguments.port,
        environment=dict(os.environ),  # noqa: TID251 - the supervisor's one look at it
    )
    os.chdir(options.state_dir)  # whoever started us may remove the folder they were in
    try:
        asyncio.run(_keep(options))
    except StackStopped:
        _log("stopped")
    except StackAlreadyUp as error:
        _say({"already_up": error.pid, "state_dir": str(error.state_dir)})
        sys.exit(1)
    except LocalStackError as error:
        _log(str(error))
        _say({"error": str(error)})
        sys.exit(1)


async def _keep(options: StackOptions) -> None:
    voice = _Voice()
    async with running_stack(options, progress=voice.progress) as stack:
        voice.ready(stack.describe().as_json())
        await stack.run()


class _Voice:
    """Tells the command that waits until the stack runs, and the log for ever."""

    def __init__(self) -> None:
        self._waited_for = True

    def progress(self, line: str) -> None:
        _log(line)
        if self._waited_for:
            _say({"progress": line})

    def ready(self, stack: object) -> None:
        _say({"stack": stack})
        self._waited_for = False
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, sys.stdout.fileno())
        os.close(silence)


def _log(line: str) -> None:
    sys.stderr.write(f"{utc_now():%Y-%m-%dT%H:%M:%SZ} {line}\n")
    sys.stderr.flush()


def _say(message: Mapping[str, object]) -> None:
    try:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:  # the command was interrupted; SIGTERM is on its way
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
