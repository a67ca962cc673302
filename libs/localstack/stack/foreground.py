"""A stack that lives as long as the process that started it."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from localstack.errors import StackStopped
from localstack.stack.control import serving_control
from localstack.stack.folder import StateFolder
from localstack.stack.keeper import Progress
from localstack.stack.leftovers import end_leftovers
from localstack.stack.options import StackOptions
from localstack.stack.stack import Stack


@asynccontextmanager
async def running_stack(
    options: StackOptions, *, progress: Progress = lambda _: None
) -> AsyncIterator[Stack]:
    """Run a stack for the length of a block; `await stack.run()` inside keeps its parts running.

    SIGTERM ends the block. Should this process be killed, the kernel tells every part to stop.

    Raises:
        StackAlreadyUp: another process keeps a stack in the same folder.
        StackStopped: it was SIGTERM that ended the block.
        LocalStackError: a part did not get ready; everything is stopped again.
    """
    folder = StateFolder(options.state_dir)
    folder.make()
    with folder.held():
        stop = _StopOnSignal()
        try:
            await end_leftovers(folder)
            stack = Stack(folder, options, progress)
            try:
                await stack.start()
                async with serving_control(folder, stack.restart):
                    yield stack
            finally:
                await stack.stop()
        except asyncio.CancelledError:
            if stop.asked:
                raise StackStopped(f"the stack in {folder.path} was stopped") from None
            raise
        finally:
            stop.forget()


class _StopOnSignal:
    """Cancels the task that made it, once, when SIGTERM comes."""

    def __init__(self) -> None:
        self.asked = False
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        self._loop.add_signal_handler(signal.SIGTERM, self._ask)

    def forget(self) -> None:
        self._loop.remove_signal_handler(signal.SIGTERM)

    def _ask(self) -> None:
        if not self.asked and self._task is not None:
            self.asked = True
            self._task.cancel()
