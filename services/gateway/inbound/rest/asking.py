"""Asking another service on behalf of a caller: one place for identity, deadline and hang-ups."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import grpc.aio
from google.protobuf.message import Message
from starlette.requests import ClientDisconnect, Request

from servicekit.caller import Caller, calling_as

# The published client gives up after 5 s and asks again; an answer must come before.
READ_S = 4.5
# Checking a large manifest may take longer. A client that gave up earlier stops the work by hanging
# up, so that its second attempt does not create the same thing twice.
WRITE_S = 30.0

Question = TypeVar("Question", bound=Message)
Answer = TypeVar("Answer", bound=Message)


async def ask(
    caller: Caller,
    rpc: grpc.aio.UnaryUnaryMultiCallable[Question, Answer],
    question: Question,
    *,
    timeout_s: float = READ_S,
) -> Answer:
    """The answer to a question that changes nothing, or may be repeated.

    Raises:
        RemoteError: the service refused or could not be reached.
    """
    with calling_as(caller):
        return await rpc(question, timeout=timeout_s)


async def ask_while_connected(
    request: Request,
    caller: Caller,
    rpc: grpc.aio.UnaryUnaryMultiCallable[Question, Answer],
    question: Question,
) -> Answer:
    """Like `ask`, for a question that creates something; it is called off when the client hangs up.

    The request's body must have been read to its end.

    Raises:
        RemoteError: the service refused or could not be reached.
        ClientDisconnect: the client hung up first.
    """
    body_read = asyncio.Event()
    body_read.set()
    return await while_connected(request, ask(caller, rpc, question, timeout_s=WRITE_S), body_read)


async def while_connected(
    request: Request, answer: Awaitable[Answer], body_read: asyncio.Event
) -> Answer:
    """The answer, awaited for as long as the client is there.

    Args:
        request: What the client asked.
        answer: Cancelled when the client hangs up.
        body_read: Set when the request's body was read; nobody else may listen to the client then.

    Raises:
        ClientDisconnect: the client hung up first.
    """
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(_outcome(answer))
        hang_up = tasks.create_task(_cancel_on_hang_up(request, asking, body_read))
        outcome = await _settled(asking)
        hang_up.cancel()
    if outcome is None:
        raise ClientDisconnect
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def _outcome(answer: Awaitable[Answer]) -> Answer | Exception:
    # Returned, not raised: a task group would wrap it, and callers want the error itself.
    try:
        return await answer
    except Exception as error:  # noqa: BLE001 -- raised again by the caller
        return error


async def _settled(asking: asyncio.Task[Answer | Exception]) -> Answer | Exception | None:
    await asyncio.wait([asking])
    return None if asking.cancelled() else asking.result()


async def _cancel_on_hang_up(
    request: Request, asking: asyncio.Task[Answer | Exception], body_read: asyncio.Event
) -> None:
    await body_read.wait()
    while (await request.receive())["type"] != "http.disconnect":
        pass
    asking.cancel()
