"""A stack that outlives the command that started it: a supervisor of its own keeps it."""

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from localstack.errors import LocalStackError, StartError
from localstack.log_tails import last_words, tail
from localstack.processes import until_gone
from localstack.stack.control import ask_restart
from localstack.stack.description import StackDescription, from_json, read_description
from localstack.stack.folder import StackAlreadyUp, StateFolder
from localstack.stack.keeper import Progress
from localstack.stack.options import StackOptions

STOP_S = 120.0  # seven parts, each with its own seconds
KILL_S = 20.0


async def start_detached(
    options: StackOptions, *, progress: Progress = lambda _: None
) -> StackDescription:
    """Start a stack and return when all of it can work; it runs until `stop_stack`.

    Its supervisor starts again whatever ends by itself, within a second or so.

    Raises:
        StackAlreadyUp: another process keeps a stack in the same folder.
        LocalStackError: a part did not get ready; everything is stopped again.
    """
    folder = StateFolder(options.state_dir)
    folder.make()
    if (holder := folder.holder()) is not None:
        raise StackAlreadyUp(folder.path, holder)
    log = folder.logs / "stack.log"
    log_begin = log.stat().st_size if log.exists() else 0
    reading, writing = os.pipe()
    pid = _spawn(options, folder, log=log, output=writing)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as pipe:
            description = await _until_ready(pipe.fileno(), progress)
    except BaseException:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        raise
    if description is None:
        words = last_words(tail(log, begin=log_begin))
        raise StartError(f"the stack did not start; its log is {log}\n{words}".rstrip())
    return description


async def stop_stack(state_dir: Path) -> bool:
    """Stop the stack in a folder, however it was started; False when none runs.

    Raises:
        LocalStackError: it does not stop.
    """
    pid = StateFolder(state_dir).holder()
    if not pid:
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_S):
            await until_gone(pid)
    except TimeoutError:
        # The kernel tells its children to stop when it is gone.
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(KILL_S):
            await until_gone(pid)
    return True


async def restart_service(state_dir: Path, name: str) -> StackDescription:
    """Restart one part of the stack in a folder and return when it can work.

    Raises:
        LocalStackError: no stack runs there, it has no such part, or that did not get ready.
    """
    return await ask_restart(StateFolder(state_dir), name)


async def describe_stack(state_dir: Path) -> StackDescription | None:
    """Return what runs in a folder now; None when nothing does, or not yet."""
    return read_description(state_dir)


def _spawn(options: StackOptions, folder: StateFolder, *, log: Path, output: int) -> int:
    """Start the supervisor as the leader of a session of its own and return its pid.

    asyncio would kill a child that is still running when its loop is closed.
    """
    argv = [sys.executable, "-P", "-m", "localstack.stack", "--state", str(folder.path)]
    if options.models_file:
        argv += ["--models", str(options.models_file.absolute())]
    if options.port:
        argv += ["--port", str(options.port)]
    log_flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return os.posix_spawn(
        sys.executable,
        argv,
        dict(options.environment),
        file_actions=(
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, output, 1),
            (os.POSIX_SPAWN_OPEN, 2, str(log), log_flags, 0o600),
        ),
        setsid=True,
    )


async def _until_ready(descriptor: int, progress: Progress) -> StackDescription | None:
    """Return what runs; None when the supervisor ended without a word."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(descriptor), "rb")
    )
    try:
        while line := await reader.readline():
            said = json.loads(line)
            if "progress" in said:
                progress(said["progress"])
            elif "stack" in said:
                return from_json(said["stack"])
            elif "already_up" in said:
                raise StackAlreadyUp(Path(said["state_dir"]), said["already_up"])
            else:
                raise LocalStackError(said["error"])
    finally:
        transport.close()
    return None
