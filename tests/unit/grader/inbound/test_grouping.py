import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from grader.inbound.grouping import GROUP_BYTES_MAX, GROUP_MAX, Groups


@dataclass(frozen=True)
class Note:
    number: int
    size: int = 1

    def ByteSize(self) -> int:
        return self.size


class Sent:
    def __init__(self) -> None:
        self.groups: list[Sequence[Note]] = []
        self.some = asyncio.Event()

    async def send(self, group: Sequence[Note]) -> None:
        self.groups.append(group)
        self.some.set()


async def test_answers_close_in_time_travel_together() -> None:
    sent = Sent()
    groups = Groups(sent.send)

    async with asyncio.TaskGroup() as tasks:
        sender = tasks.create_task(groups.run())
        for number in range(5):
            await groups.put(Note(number))
        await sent.some.wait()
        sender.cancel()

    assert sent.groups == [[Note(number) for number in range(5)]]


async def test_a_full_group_goes_out_at_once() -> None:
    sent = Sent()
    groups = Groups(sent.send)

    for number in range(GROUP_MAX):
        await groups.put(Note(number))

    assert len(sent.groups[0]) == GROUP_MAX


async def test_a_heavy_group_goes_out_at_once() -> None:
    sent = Sent()
    groups = Groups(sent.send)

    await groups.put(Note(1, GROUP_BYTES_MAX))

    assert sent.groups == [[Note(1, GROUP_BYTES_MAX)]]


async def test_a_flush_with_nothing_to_send_sends_nothing() -> None:
    sent = Sent()

    await Groups(sent.send).flush()

    assert sent.groups == []


async def test_a_caller_that_does_not_read_stops_those_who_put() -> None:
    reads = asyncio.Event()

    async def send(_: Sequence[Note]) -> None:
        await reads.wait()

    groups = Groups(send)
    heavy = Note(1, GROUP_BYTES_MAX)
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(groups.put(heavy))
        second = tasks.create_task(groups.put(heavy))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting = (first.done(), second.done())
        reads.set()

    assert waiting == (False, False)
