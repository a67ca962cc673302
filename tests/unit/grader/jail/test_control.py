import asyncio
import fcntl
import os
import socket
from collections.abc import AsyncIterator

import orjson
import pytest

from grader.jail.control import Control, JailLost, sealed_file


class Runner:
    """The runner's end of a control socket."""

    def __init__(self) -> None:
        host, self.socket = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.host = host
        self.losses = 0
        self.refused: list[object] = []
        self.control = Control(host, on_lost=self._lose, on_refused=self._refuse)

    def says(self, payload: bytes) -> None:
        self.socket.send(payload)

    def _lose(self) -> None:
        self.losses += 1

    def _refuse(self, number: object) -> None:
        if number != 1:
            raise KeyError(number)
        self.refused.append(number)


@pytest.fixture
async def runner() -> AsyncIterator[Runner]:
    runner = Runner()
    yield runner
    runner.control.lose()
    runner.socket.close()
    runner.host.close()


async def test_an_order_arrives_with_its_descriptors(runner: Runner) -> None:
    reading, writing = os.pipe()

    runner.control.order({"op": "run"}, [writing])
    payload, descriptors, _, _ = socket.recv_fds(runner.socket, 100, 3)
    os.close(writing)
    os.write(descriptors[0], b"x")

    assert orjson.loads(payload) == {"op": "run"}
    assert os.read(reading, 1) == b"x"
    for descriptor in (reading, *descriptors):
        os.close(descriptor)


async def test_answers_go_to_those_who_expect_them(runner: Runner) -> None:
    one, two = runner.control.expect("ended 1"), runner.control.expect("ended 2")

    runner.says(b'{"op":"ended","id":2}')
    runner.says(b'{"op":"ended","id":1}')

    assert (await two)["id"] == 2
    assert (await one)["id"] == 1


async def test_an_execution_that_cannot_be_forked_costs_no_other(runner: Runner) -> None:
    other = runner.control.expect("ended 2")

    runner.says(b'{"op":"refused","id":1,"errno":11}')
    runner.says(b'{"op":"ended","id":2}')

    assert (await other)["id"] == 2
    assert (runner.refused, runner.losses) == ([1], 0)


@pytest.mark.parametrize(
    "payload",
    [
        b"{}",
        b"x",
        b"[]",
        b'{"op":"ended","id":9}',
        b'{"op":"refused","id":9}',
        b'{"op":"refused","id":[]}',
        b'{"op":"refused"}',
        b"\xff",
        b'{"op":[]}',
    ],
)
async def test_a_runner_that_says_what_nobody_expects_is_given_up(
    runner: Runner, payload: bytes
) -> None:
    expected = runner.control.expect("ready")

    runner.says(payload)

    with pytest.raises(JailLost):
        await expected
    assert runner.losses == 1


async def test_a_runner_that_is_gone_is_given_up(runner: Runner) -> None:
    expected = runner.control.expect("ready")

    runner.socket.close()

    with pytest.raises(JailLost):
        await expected
    with pytest.raises(JailLost):
        runner.control.order({"op": "load"})
    with pytest.raises(JailLost):
        runner.control.expect("loaded")
    assert runner.losses == 1


async def test_a_runner_that_takes_no_more_orders_is_given_up(runner: Runner) -> None:
    with pytest.raises(JailLost):
        for _ in range(100_000):
            runner.control.order({"op": "run"})


async def test_an_answer_that_nobody_waits_for_any_more_is_no_fault(runner: Runner) -> None:
    expected = runner.control.expect("loaded")
    expected.cancel()
    later = runner.control.expect("ready")

    runner.says(b'{"op":"loaded"}')
    runner.says(b'{"op":"ready"}')

    assert (await later)["op"] == "ready"
    assert runner.losses == 0
    await asyncio.sleep(0)


def test_a_sealed_file_cannot_be_changed_by_anybody() -> None:
    descriptor = sealed_file(b"content")

    with pytest.raises(PermissionError):
        os.write(descriptor, b"x")
    with pytest.raises(PermissionError):
        os.ftruncate(descriptor, 0)
    assert fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & fcntl.F_SEAL_WRITE
    assert os.read(descriptor, 100) == b"content"
    os.close(descriptor)
