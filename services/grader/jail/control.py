"""The host's orders to the runner of a jail, over a socket that keeps message boundaries."""

import asyncio
import fcntl
import os
import socket
from collections.abc import Callable, Mapping, Sequence

import orjson

ANSWER_BYTES_MAX = 4_096

Answer = Mapping[str, object]


class JailLost(Exception):
    """The jail is gone or its runner does not do as it is told; every execution in it is lost."""


class Control:
    """Orders out, answers in.

    `on_lost` is called once, when the runner is gone or says what it should not. `on_refused` is
    called with the number of an execution that it could not fork; KeyError means there is none.
    """

    def __init__(
        self,
        control: socket.socket,
        *,
        on_lost: Callable[[], None],
        on_refused: Callable[[object], None],
    ) -> None:
        control.settimeout(0)
        self._control = control
        self._on_lost = on_lost
        self._on_refused = on_refused
        self._expected: dict[str, asyncio.Future[Answer]] = {}
        self._is_lost = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(control, self._read)

    def order(self, order: Mapping[str, object], descriptors: Sequence[int] = ()) -> None:
        """Send one order, with descriptors for the runner.

        Raises:
            JailLost: the runner does not take it.
        """
        try:
            socket.send_fds(self._control, [orjson.dumps(order)], descriptors)
        except OSError as error:  # also a full buffer: a runner that is so far behind is stuck
            self.lose()
            raise JailLost("the runner does not take orders") from error

    def expect(self, what: str) -> asyncio.Future[Answer]:
        """The answer called `what`, once it comes; call it before the order goes out.

        Raises:
            JailLost: the jail is lost; the future fails with it when that happens later.
        """
        if self._is_lost:
            raise JailLost("the jail was lost")
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._expected[what] = future
        return future

    def lose(self) -> None:
        """Give the jail up: all that is expected fails. Again, it does nothing."""
        if self._is_lost:
            return
        self._is_lost = True
        self._loop.remove_reader(self._control)
        for future in self._expected.values():
            if not future.done():
                future.set_exception(JailLost("the jail was lost"))
                future.exception()  # nobody may be waiting any more
        self._expected.clear()
        self._on_lost()

    def _read(self) -> None:
        try:
            payload = self._control.recv(ANSWER_BYTES_MAX)
            answer = orjson.loads(payload)
            if answer["op"] == "refused":
                self._on_refused(answer["id"])
                return
            future = self._expected.pop(_name(answer))
        except BlockingIOError:
            return
        except (OSError, ValueError, KeyError, TypeError):
            self.lose()
            return
        if not future.done():
            future.set_result(answer)


def sealed_file(content: bytes) -> int:
    """A descriptor of a memory file that nobody can change any more; the caller closes it."""
    descriptor = os.memfd_create("program", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


def _name(answer: Mapping[str, object]) -> str:
    """What an answer answers.

    `ready`, `loaded`, or `ended 7` for the execution with that number.
    """
    return f"{answer['op']} {answer['id']}" if "id" in answer else str(answer["op"])
