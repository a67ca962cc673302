"""The runner: first process of a jail.

It takes orders from the host, forks a child for each execution and reaps it.

It never executes, compiles or unmarshals anything a tenant wrote, so every child starts from the
same clean memory; except in a jail that was started for `preload`, where it runs one program's
module body and is that program's own from then on.
"""

import ctypes
import gc
import json
import os
import select
import signal
import struct
import sys
import time
from _socket import CMSG_SPACE, socket  # a jail starts 5 ms earlier without the module around it
from typing import NoReturn

from grader.inside.loading import GRADER
from grader.inside.runner import child, filters
from grader.inside.runner.channel import Frame, encode
from grader.inside.runner.compiling import compiled
from grader.inside.runner.preimports import LIBRARIES, preimport
from grader.inside.runner.preloading import preloaded
from grader.inside.runner.programs import programs

CONTROL_FD = 10  # above the three standard ones, so that a child's dup2 cannot hit it
FRAME_BYTES_MAX = 65_536
DESCRIPTORS_MAX = 3
REAP_POLL_S = 0.002
# One heap for all threads of a child: glibc would reserve 64 MiB of its address space for each.
M_ARENA_MAX = -8
_DESCRIPTOR = struct.Struct("i")


class Runner:
    """The host's orders, one at a time, over a socket that no child keeps."""

    def __init__(self, control: socket, flavour: str, isolation: str) -> None:
        self._control = control
        self._programs = programs(flavour)
        self._preloads = isolation == "preload"
        self._child_filter = filters.ChildFilter(writes_files=isolation == "files")
        self._program: Frame = {}
        self._pids: dict[int, int] = {}
        self._ending: dict[int, tuple[int, float]] = {}

    def serve(self) -> None:
        """Obey until the host hangs up."""
        self._answer({"op": "ready"})
        while True:
            while self._ending and not select.select([self._control], [], [], REAP_POLL_S)[0]:
                self._reap()
            order, descriptors = self._order()
            if order is None:
                return
            match order["op"]:
                case "load":
                    self._load(descriptors[0], order)
                case "run":
                    self._run(order, descriptors)
                case "reap":
                    deadline = time.monotonic() + order["grace_s"]
                    self._ending[order["id"]] = (self._pids.pop(order["id"]), deadline)
                    self._reap()

    def _order(self) -> tuple[Frame | None, list[int]]:
        room = CMSG_SPACE(DESCRIPTORS_MAX * _DESCRIPTOR.size)
        payload, ancillary, _, _ = self._control.recvmsg(FRAME_BYTES_MAX, room)
        descriptors = [one for _, _, sent in ancillary for (one,) in _DESCRIPTOR.iter_unpack(sent)]
        return (json.loads(payload) if payload else None), descriptors

    def _load(self, descriptor: int, order: Frame) -> None:
        """Keep what all executions of this jail have in common.

        Host-made JSON, in a sealed memory file.
        """
        with open(descriptor, "rb") as program:
            self._program = json.loads(program.read())
        preimport(self._program.get("imports", ()))
        if source := self._program.get("source"):
            self._program["code"] = compiled(source, f"{GRADER}.py", self._child_filter)
        if self._preloads:
            self._program["module"] = preloaded(self._program, GRADER, order["limits"])
        gc.collect()
        gc.freeze()  # no child's collector looks at what is here now, so its pages stay shared
        self._answer({"op": "loaded"})

    def _run(self, order: Frame, descriptors: list[int]) -> None:
        number = order["id"]
        try:
            pid = os.fork()
        except OSError as error:
            pid = -1
            self._answer({"op": "refused", "id": number, "errno": error.errno})
        if pid == 0:
            self._control.close()
            program = self._programs[order["kind"]]
            child.run(program, self._program, order["limits"], self._child_filter, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        if pid > 0:
            self._pids[number] = pid

    def _reap(self) -> None:
        """End executions that are to end, and say how each ended.

        `killed` is false when it was over by itself within its grace.
        """
        for number, (pid, deadline) in list(self._ending.items()):
            ended, status, usage = os.wait4(pid, os.WNOHANG)
            if not ended and time.monotonic() < deadline:
                continue
            if not ended:
                os.kill(pid, signal.SIGKILL)
                _, status, usage = os.wait4(pid, 0)
            del self._ending[number]
            self._answer(
                {
                    "op": "ended",
                    "id": number,
                    "status": status,
                    "killed": not ended,
                    "cpu_s": usage.ru_utime + usage.ru_stime,
                    "rss_bytes": usage.ru_maxrss * 1024,
                }
            )

    def _answer(self, answer: Frame) -> None:
        self._control.send(encode(answer))


def main(flavour: str, isolation: str) -> NoReturn:
    """Serve the host on the socket that stands at descriptor 0, then end the jail."""
    os.dup2(0, CONTROL_FD, inheritable=False)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(null, descriptor)
    os.close(null)
    # A signal at its default cannot reach the first process of a pid namespace from inside; one
    # with a handler can.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
    filters.forbid_exec()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr] # what a crash leaves unread in a buffer is lost
    sys.path.append(LIBRARIES)  # after the standard library, of which they cannot take a name
    runner = Runner(socket(fileno=CONTROL_FD), flavour, isolation)
    gc.disable()
    try:
        runner.serve()
    except BaseException:  # noqa: BLE001 - the host reads it in the jail's log; the jail ends either way
        import traceback  # noqa: PLC0415 - 5 ms that only a jail that fails should pay

        traceback.print_exc()
    finally:
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
