"""Child processes that log to a file, die with their parent and can be stopped for certain."""

import asyncio
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from localstack.errors import StartError
from localstack.log_tails import last_words, tail


class Process:
    """One child process in its own process group."""

    def __init__(
        self, process: asyncio.subprocess.Process, *, log_path: Path, log_begin: int
    ) -> None:
        self._process = process
        self._log_begin = log_begin
        self.log_path = log_path

    @classmethod
    async def spawn(
        cls,
        argv: Sequence[str],
        *,
        log_path: Path,
        env: Mapping[str, str],
        parent_death_signal: signal.Signals | None = signal.SIGTERM,
        cwd: Path | None = None,
    ) -> "Process":
        """Start `argv` with exactly the environment `env`; its output is appended to `log_path`.

        Nobody else may read that. When the thread that calls this ends, however it ends, the kernel
        sends the child `parent_death_signal`; with None the child outlives us.

        Raises:
            StartError: it cannot be started at all, for one that `cwd` is gone.
        """
        log_path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with os.fdopen(_private(log_path), "ab") as log:
                log_begin = log.tell()
                process = await asyncio.create_subprocess_exec(
                    *_leash(parent_death_signal),
                    *argv,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=dict(env),
                    cwd=cwd,
                    start_new_session=True,
                )
        except OSError as error:
            raise StartError(f"cannot start {argv[0]}: {error}") from error
        return cls(process, log_path=log_path, log_begin=log_begin)

    @property
    def pid(self) -> int:
        """The process id; also the id of its process group."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative numbers are signals."""
        return self._process.returncode

    async def wait(self) -> int:
        """Wait until the process ended and return its exit code."""
        return await self._process.wait()

    async def stop(self, stop_signal: signal.Signals, *, grace_s: float) -> None:
        """Ask the process to end, and kill its whole group after `grace_s`."""
        try:
            if self.exit_code is None:
                with suppress(ProcessLookupError):
                    self._process.send_signal(stop_signal)
                with suppress(TimeoutError):
                    async with asyncio.timeout(grace_s):
                        await self.wait()
        finally:
            self.kill_group()
            await self.wait()

    def kill_group(self) -> None:
        """Kill the process and what it left in its group."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def log(self) -> str:
        """Return what the log says since this process started; the end of it when that is much."""
        return tail(self.log_path, begin=self._log_begin)

    def failure(self, what: str) -> StartError:
        """Return the error that tells that `what` did not start, with its last words."""
        how = "did not get ready in time"
        if self.exit_code is not None:
            how = f"ended with exit code {self.exit_code}"
        return StartError(
            f"{what} {how}; its log is {self.log_path}\n{last_words(self.log())}".rstrip()
        )


def is_alive(pid: int) -> bool:
    """Tell whether a process with this id exists and is not a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"  # the name before it may contain anything


async def until_gone(pid: int) -> None:
    """Wait until the process with this id has ended; it need not be a child of ours."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(descriptor, ended.set)  # a pidfd becomes readable when its process ends
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _private(path: Path) -> int:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)  # it may be there from before
    return descriptor


def _leash(parent_death_signal: signal.Signals | None) -> list[str]:
    if parent_death_signal is None:
        return []
    # A preexec_fn would run Python between fork and exec, which can deadlock beside threads.
    setpriv = shutil.which("setpriv", path=os.defpath)
    if setpriv is None:
        raise StartError("the program setpriv (package util-linux) is missing; please install it")
    return [setpriv, "--pdeathsig", parent_death_signal.name, "--"]
