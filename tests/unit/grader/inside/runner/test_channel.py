import json
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from grader.inside.runner.channel import Channel, ChannelClosed, Frame


@pytest.fixture
def ends() -> Iterator[tuple[Channel, socket.socket]]:
    inside, host = socket.socketpair()
    with inside, host:
        yield Channel(inside.fileno()), host


def send(host: socket.socket, *frames: bytes) -> None:
    host.sendall(b"".join(struct.pack(">I", len(frame)) + frame for frame in frames))


def receive(host: socket.socket) -> Frame:
    (length,) = struct.unpack(">I", host.recv(4, socket.MSG_WAITALL))
    frame: Frame = json.loads(host.recv(length, socket.MSG_WAITALL))
    return frame


def test_a_frame_travels_as_strict_json(ends: tuple[Channel, socket.socket]) -> None:
    channel, host = ends

    channel.send({"result": {"text": "ü"}})

    assert receive(host) == {"result": {"text": "ü"}}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", object(), {1, 2}])
def test_what_is_no_strict_json_is_not_sent(
    ends: tuple[Channel, socket.socket], value: object
) -> None:
    channel, host = ends

    with pytest.raises((ValueError, TypeError)):
        channel.send({"result": value})
    channel.send({"after": 1})

    assert receive(host) == {"after": 1}


def test_frames_that_arrive_together_or_in_pieces_come_one_by_one(
    ends: tuple[Channel, socket.socket],
) -> None:
    channel, host = ends
    send(host, b'{"n":1}', b'{"n":2}')

    assert [channel.receive(), channel.receive()] == [{"n": 1}, {"n": 2}]


def test_a_host_that_hangs_up_ends_the_conversation(ends: tuple[Channel, socket.socket]) -> None:
    channel, host = ends
    host.close()

    with pytest.raises(ChannelClosed):
        channel.receive()


def test_an_answer_may_be_followed_by_raw_bytes(ends: tuple[Channel, socket.socket]) -> None:
    channel, host = ends
    send(host, b'{"reply":1,"raw":true}', b"\xff\n")

    answer, raw = channel.request("rows", None)

    assert receive(host) == {"call": 1, "method": "rows", "body": None}
    assert (answer["reply"], raw) == (1, b"\xff\n")


def test_each_thread_gets_its_own_answer_in_whatever_order_they_come(
    ends: tuple[Channel, socket.socket],
) -> None:
    channel, host = ends
    answers: dict[int, int] = {}

    def ask(number: int) -> None:
        answer, _ = channel.request("method", number)
        answers[number] = answer["value"]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    asked = [receive(host) for _ in threads]
    for question in reversed(asked):
        send(host, json.dumps({"reply": question["call"], "value": question["body"] * 10}).encode())
    for thread in threads:
        thread.join(10)

    assert answers == {number: number * 10 for number in range(8)}


def test_all_waiting_threads_learn_that_the_host_hung_up(
    ends: tuple[Channel, socket.socket],
) -> None:
    channel, host = ends
    closed: list[int] = []

    def ask() -> None:
        with pytest.raises((ChannelClosed, OSError)):
            channel.request("method", None)
        closed.append(1)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in threads:
        receive(host)
    host.close()
    for thread in threads:
        thread.join(10)

    assert len(closed) == 4
