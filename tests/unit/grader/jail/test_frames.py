import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from grader.jail.frames import LENGTH, FrameStream, FrameTooLong


@pytest.fixture
async def ends() -> AsyncIterator[tuple[FrameStream, socket.socket]]:
    host, child = socket.socketpair()
    stream = FrameStream(host, frame_bytes_max=100)
    with child:
        yield stream, child
    stream.close()


async def test_frames_come_one_by_one_however_they_arrive(
    ends: tuple[FrameStream, socket.socket],
) -> None:
    stream, child = ends
    child.sendall(LENGTH.pack(1) + b"a" + LENGTH.pack(2) + b"b")

    first = await stream.receive()
    child.sendall(b"c")

    assert (first, await stream.receive()) == (b"a", b"bc")


async def test_an_empty_frame_is_a_frame(ends: tuple[FrameStream, socket.socket]) -> None:
    stream, child = ends
    child.sendall(LENGTH.pack(0))

    assert await stream.receive() == b""


async def test_a_frame_that_announces_too_much_is_refused_before_it_is_read(
    ends: tuple[FrameStream, socket.socket],
) -> None:
    stream, child = ends
    child.sendall(LENGTH.pack(2**32 - 1))

    with pytest.raises(FrameTooLong, match="4294967295"):
        await stream.receive()


@pytest.mark.parametrize("last", [b"", b"\x00\x00", LENGTH.pack(5) + b"1234"])
async def test_a_child_that_hangs_up_ends_the_stream_also_in_mid_frame(
    ends: tuple[FrameStream, socket.socket], last: bytes
) -> None:
    stream, child = ends
    child.sendall(last)
    child.close()

    assert await stream.receive() is None


async def test_an_interrupt_ends_a_waiting_receive(
    ends: tuple[FrameStream, socket.socket],
) -> None:
    stream, _ = ends

    async with asyncio.TaskGroup() as tasks:
        receiving = tasks.create_task(stream.receive())
        tasks.create_task(asyncio.to_thread(stream.interrupt))

    assert receiving.result() is None


async def test_frames_are_sent_whole_although_the_child_reads_slowly(
    ends: tuple[FrameStream, socket.socket],
) -> None:
    stream, child = ends
    frame = b"x" * 2_000_000

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(stream.send(frame, b"y"))
        read = tasks.create_task(asyncio.to_thread(child.recv, len(frame) + 9, socket.MSG_WAITALL))

    assert read.result() == LENGTH.pack(len(frame)) + frame + LENGTH.pack(1) + b"y"


async def test_sending_to_a_child_that_is_gone_does_nothing(
    ends: tuple[FrameStream, socket.socket],
) -> None:
    stream, child = ends
    child.close()

    await stream.send(b"x")
    await stream.send(b"x")
