"""How a command's coroutine runs."""

import asyncio
from collections.abc import Coroutine

from cli.errors import told_in_a_sentence


def run_to_end(work: Coroutine[None, None, None], *, interrupted: str = "Interrupted.") -> None:
    """Run a command's coroutine; Ctrl-C cancels it and ends with the sentence `interrupted`.

    Raises:
        CliError: the command could not do what was asked.
        StackStopped: somebody else stopped the stack that the command kept.
    """
    with told_in_a_sentence(interrupted):
        asyncio.run(work)
