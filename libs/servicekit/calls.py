"""One call to another service, of any of the four shapes, with its errors translated."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Any

import grpc

from servicekit.status import from_rpc_error


class Call:
    """Behaves like grpc.aio's own call object, except for what it raises.

    A refusal of the other side is a RemoteError, wherever it shows: awaiting, iterating, `read`,
    `write`. An exception of the request iterator comes out as itself; gRPC alone would show it as a
    cancellation.
    """

    def __init__(
        self, make: Callable[..., Any], request: Any, *, method: str, **options: Any
    ) -> None:
        self._method = method
        self._request_error: BaseException | None = None
        self._answers: AsyncIterator[Any] | None = None
        if isinstance(request, AsyncIterable):
            request = self._watched(request)
        elif isinstance(request, Iterable):
            request = self._watched_now(request)
        self._call = make(request, **options) if request is not None else make(**options)

    def __await__(self) -> Generator[Any, None, Any]:
        with self._translated():
            return (yield from self._call.__await__())

    def __aiter__(self) -> AsyncIterator[Any]:
        if self._answers is None:
            self._answers = self._iterated()
        return self._answers

    async def read(self) -> Any:
        """The next answer, or grpc.aio.EOF."""
        with self._translated():
            return await self._call.read()

    async def write(self, request: Any) -> None:
        """Send one more request."""
        with self._translated():
            await self._call.write(request)

    async def done_writing(self) -> None:
        """Tell the other side that no more requests follow."""
        with self._translated():
            await self._call.done_writing()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, self._method) from error
        except asyncio.CancelledError:
            if self._request_error is not None:
                raise self._request_error from None
            raise

    async def _iterated(self) -> AsyncIterator[Any]:
        with self._translated():
            async for answer in self._call:
                yield answer

    async def _watched(self, requests: AsyncIterable[Any]) -> AsyncIterator[Any]:
        try:
            async for request in requests:
                yield request
        except Exception as error:
            self._request_error = error
            raise

    def _watched_now(self, requests: Iterable[Any]) -> Generator[Any]:
        try:
            yield from requests
        except Exception as error:
            self._request_error = error
            raise
