"""The operating system's side of a jail: start nsjail, watch it, end it."""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from grader.jail.pipes import Tap, open_pipe

LOG_BYTES = 16_384
# nsjail removes its control groups and ends within milliseconds of its jail; on a busy machine,
# somewhat later.
CLEAN_END_S = 3.0


class JailProcess:
    """One nsjail and the control socket to the runner inside. Made inside the running loop.

    The socket is the runner's standard input: when this process dies, however it dies, the runner
    reads the end of it and the jail is over.
    """

    def __init__(self, command: Sequence[str]) -> None:
        with ExitStack() as opened:
            pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self.control, inside = map(opened.enter_context, pair)
            log, log_inside = open_pipe(opened)
            self._nsjail = subprocess.Popen(  # noqa: S603 - our own command
                command,
                stdin=inside.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=log_inside,
                start_new_session=True,  # a terminal's Ctrl-C is for us, who end it in order
            )
            opened.callback(self._nsjail.terminate)
            self._watched = os.pidfd_open(self._nsjail.pid)
            opened.pop_all()
        inside.close()
        os.close(log_inside)
        self.log = Tap(log, keep_bytes=LOG_BYTES)
        self.ended = asyncio.Event()
        self._init: int | None = None
        self._init_pid = 0
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._watched, self._reap)

    @property
    def pid(self) -> int:
        """Process id of nsjail."""
        return self._nsjail.pid

    @property
    def exit_code(self) -> int | None:
        """Exit code of nsjail; None while it runs."""
        return self._nsjail.returncode

    def find_init(self) -> None:
        """Get hold of the jail's first process, for `kill`; nothing happens when it is gone."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        with suppress(OSError, IndexError):
            self._init_pid = int(children.read_text(encoding="ascii").split()[0])
            self._init = os.pidfd_open(self._init_pid)

    def has_more_than(self, processes: int) -> bool:
        """Whether its first process has a second thread, or more than `processes` are below it.

        Every thread found is a file to read, so what is forbidden ends the search: threads of the
        first before anything below it is looked at, and processes as soon as they are too many.
        """
        if len(_threads(self._init_pid)) > 1:
            return True
        found = 0
        unseen = [self._init_pid]
        while unseen and found <= processes:
            children = _children(unseen.pop())
            found += len(children)
            unseen += children
        return found > processes

    def is_single(self) -> bool:
        """Whether there is one process in the jail, of one thread; not so when it is gone."""
        return bool(_threads(self._init_pid)) and not self.has_more_than(processes=0)

    def kill(self) -> None:
        """Kill everything in the jail at once; nsjail then cleans up and ends.

        Never nsjail itself: its control groups would stay behind.
        """
        with suppress(ProcessLookupError):
            if self._init is not None:
                signal.pidfd_send_signal(self._init, signal.SIGKILL)
            elif self.exit_code is None:
                self._nsjail.terminate()

    async def end(self) -> None:
        """Kill the jail, wait until nothing of it is left, and let go of its descriptors."""
        self.control.close()
        self.kill()
        try:
            await self._gone()
        finally:
            if (
                self.exit_code is None
            ):  # cancelled while waiting, or not even SIGKILL helped at once
                self._nsjail.kill()
            self._loop.remove_reader(self._watched)
            self.log.drain()
            self.log.close()
            os.close(self._watched)
            if self._init is not None:
                os.close(self._init)
            self._nsjail.wait(CLEAN_END_S)

    async def _gone(self) -> None:
        for send in (self._nsjail.terminate, self._nsjail.kill):
            with suppress(TimeoutError):
                async with asyncio.timeout(CLEAN_END_S):
                    await self.ended.wait()
            if self.ended.is_set():
                return
            send()
        await self.ended.wait()

    def _reap(self) -> None:
        if self._nsjail.poll() is not None:
            self._loop.remove_reader(self._watched)
            self.ended.set()


def _threads(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for thread in _threads(pid):
        with suppress(OSError):
            found += map(int, (thread / "children").read_text(encoding="ascii").split())
    return found
