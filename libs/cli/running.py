"""How a command's coroutine runs, and how what ends it early becomes one sentence."""

import asyncio
from collections.abc import Coroutine

from cli.errors import CliError, Interrupted
from localstack.errors import LocalStackError, StackStopped


def run_to_end(work: Coroutine[None, None, None], *, interrupted: str = "Interrupted.") -> None:
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
