"""One execution: the forked child that limits itself, runs one program over one job and ends."""

import gc
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NoReturn

from grader.inside.runner.channel import Channel, ChannelClosed, Frame, encode
from grader.inside.runner.filters import ChildFilter

EMIT_BYTES = (
    262_144  # a frame of streamed values: large enough to be cheap, small enough to pass at once
)
MESSAGE_CHARS = 1_000

Program = Callable[[Frame, Channel], object]


def run(
    program: Program,
    job: Frame,
    limits: dict[str, int],
    child_filter: ChildFilter,
    descriptors: list[int],
) -> NoReturn:
    """Become an execution of `program`; never returns, whatever the program does.

    `descriptors` are the stream to the host and the pipes for stdout and stderr; they are the only
    ones left. The limits and the filter are in place before a byte of the job is read.
    """
    stream, out, err = descriptors
    try:
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.close(out)
        os.close(err)
        confine(limits, child_filter)
        gc.freeze()  # else the first collection would walk, and so copy, all that the fork shares
        gc.enable()
        _converse(program, job, Channel(stream))
    finally:
        os._exit(0)


def emit(channel: Channel, values: Iterable[object]) -> None:
    """Send values as they come, grouped into frames of about `EMIT_BYTES`."""
    group: list[bytes] = []
    size = 0
    for value in values:
        encoded = encode(value)
        if group and size + len(encoded) > EMIT_BYTES:
            channel.send_encoded(b'{"emit":[%b]}' % b",".join(group))
            group, size = [], 0
        group.append(encoded)
        size += len(encoded)
    if group:
        channel.send_encoded(b'{"emit":[%b]}' % b",".join(group))


def confine(limits: dict[str, int], child_filter: ChildFilter) -> None:
    """Put limits and the filter on this process, for ever."""
    # The CPU limit only catches what the host's clock cannot: threads that burn more than one core.
    cpu_s = limits["cpu_s"]
    for which, soft, hard in (
        (resource.RLIMIT_CPU, cpu_s, cpu_s + 1),
        (resource.RLIMIT_AS, limits["memory_bytes"], limits["memory_bytes"]),
        (resource.RLIMIT_FSIZE, limits["file_bytes"], limits["file_bytes"]),
        (resource.RLIMIT_NOFILE, limits["descriptors"], limits["descriptors"]),
        (resource.RLIMIT_NPROC, limits["threads"], limits["threads"]),
    ):
        resource.setrlimit(which, (soft, hard))
    # The interpreter ignores SIGXFSZ, so a write past the limit is an OSError that the program
    # sees.
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    child_filter.install(os.getpid())


def _converse(program: Program, job: Frame, channel: Channel) -> None:
    try:
        job.update(channel.receive())
        result = program(job, channel)
        _flush()
        channel.send({"result": result})
    except ChannelClosed:
        return
    except MemoryError:
        channel.send({"error": {"code": "grader_oom", "message": "it ran out of memory"}})
    except BaseException as error:  # noqa: BLE001 - whatever a program raises, the host must hear of it
        _flush()
        channel.send({"error": {"code": "grader_error", "message": _described(error)}})


def _described(error: BaseException) -> str:
    """Name and text of an exception whose class and `str` may be hostile.

    Always encodable, never long.
    """
    name = type.__dict__["__name__"].__get__(type(error))[:100]
    try:
        text = str(error)[:MESSAGE_CHARS]
    except BaseException:  # noqa: BLE001 - a `__str__` that raises is its author's message
        text = "its text cannot be had"
    return f"{name}: {text}".encode("utf-8", "backslashreplace").decode()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(BaseException):  # the program may have replaced or closed it
            stream.flush()
