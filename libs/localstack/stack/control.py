"""Asking the process that keeps a stack to restart a part of it, over a socket in the folder."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from localstack.errors import LocalStackError
from localstack.stack.description import StackDescription, from_json
from localstack.stack.folder import StateFolder

REQUEST_S = 10.0
ANSWER_S = 180.0  # a part has 90 s to start and some to stop

Restart = Callable[[str], Awaitable[StackDescription]]


@asynccontextmanager
async def serving_control(folder: StateFolder, restart: Restart) -> AsyncIterator[None]:
    """Answer requests for the length of a block; who may enter the folder may ask."""
    folder.control_socket.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    with _short_path(folder) as path:
        listener.bind(path)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(json.dumps(await _answered(reader, restart)).encode() + b"\n")
            await writer.drain()
        except (OSError, TimeoutError, ValueError):
            pass  # whoever asked went away, or was no client of ours
        finally:
            writer.close()

    async with await asyncio.start_unix_server(answer, sock=listener):
        yield
    folder.control_socket.unlink(missing_ok=True)


async def ask_restart(folder: StateFolder, name: str) -> StackDescription:
    """Ask the process that keeps the stack to restart a part; return what runs then.

    Raises:
        LocalStackError: nobody answers, or the part did not get ready.
    """
    try:
        with _short_path(folder) as path:
            reader, writer = await asyncio.open_unix_connection(path)
    except OSError:
        message = f"no stack answers in {folder.path}; start one with `proctor up`"
        raise LocalStackError(message) from None
    try:
        writer.write(json.dumps({"restart": name}).encode() + b"\n")
        async with asyncio.timeout(ANSWER_S):
            answer = json.loads(await reader.readline() or b"{}")
    except (OSError, TimeoutError) as error:
        raise LocalStackError(f"the stack in {folder.path} does not answer") from error
    finally:
        writer.close()
    if "stack" not in answer:
        raise LocalStackError(answer.get("error", f"the stack in {folder.path} was stopped"))
    return from_json(answer["stack"])


async def _answered(reader: asyncio.StreamReader, restart: Restart) -> dict[str, object]:
    async with asyncio.timeout(REQUEST_S):
        request = json.loads(await reader.readline())
    try:
        return {"stack": (await restart(str(request.get("restart")))).as_json()}
    except LocalStackError as error:
        return {"error": str(error)}


@contextmanager
def _short_path(folder: StateFolder) -> Iterator[str]:
    """Yield a path of the socket that fits into the 107 bytes the kernel allows for one."""
    descriptor = os.open(folder.path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{folder.control_socket.name}"
    finally:
        os.close(descriptor)
