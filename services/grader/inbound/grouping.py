"""Answers of a stream, a few to a message.

A message for each sample would cost more than the sample.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, Protocol, TypeVar

# How long an answer may wait for company.
PERIOD_S = 0.01
GROUP_BYTES_MAX = 2_097_152
GROUP_MAX = 500


class Sized(Protocol):
    """A protobuf message."""

    def ByteSize(self) -> int:
        """Its size on the wire."""
        ...


Message = TypeVar("Message", bound=Sized)


class Groups(Generic[Message]):
    """Collects messages and sends them in groups, from within `run`.

    `put` waits while a full group is not sent, so a caller that does not read stops the work, not
    our memory.
    """

    def __init__(self, send: Callable[[Sequence[Message]], Awaitable[None]]) -> None:
        self._send = send
        self._group: list[Message] = []
        self._group_bytes = 0
        self._sending = asyncio.Lock()
        self._some = asyncio.Event()

    async def put(self, message: Message) -> None:
        """Add a message to the group that goes out next."""
        self._group.append(message)
        self._group_bytes += message.ByteSize()
        self._some.set()
        if len(self._group) >= GROUP_MAX or self._group_bytes >= GROUP_BYTES_MAX:
            await self.flush()

    async def flush(self) -> None:
        """Send what is there."""
        async with self._sending:
            group, self._group, self._group_bytes = self._group, [], 0
            self._some.clear()
            if group:
                await self._send(group)

    async def run(self) -> None:
        """Send groups as they age, until cancelled."""
        while True:
            await self._some.wait()
            await asyncio.sleep(PERIOD_S)
            await self.flush()
