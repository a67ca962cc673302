"""One execution as the host sees it: a socket, two pipes, and why it stopped being listened to."""

import os
import socket
from contextlib import ExitStack

from grader.domain.outcome import Cause
from grader.jail.frames import FrameStream
from grader.jail.pipes import Tap, open_pipe

KEPT_OUTPUT_BYTES = 16_384
PRINTED_BYTES_MAX = 1_048_576


class Child:
    """The host's ends of one execution.

    `inside` are the ends for the child, to be closed once they are sent.
    """

    def __init__(self, number: int, *, frame_bytes_max: int) -> None:
        self.number = number
        self.cause: Cause | None = None
        self.was_refused = False
        self._printed_bytes = 0
        with ExitStack() as opened:
            stream, stream_inside = map(opened.enter_context, socket.socketpair())
            out, out_inside = open_pipe(opened)
            err, err_inside = open_pipe(opened)
            opened.pop_all()
        self.inside = (stream_inside.detach(), out_inside, err_inside)
        self.stream = FrameStream(stream, frame_bytes_max=frame_bytes_max)
        self._out = Tap(out, keep_bytes=KEPT_OUTPUT_BYTES, on_more=self._count)
        self._err = Tap(err, keep_bytes=KEPT_OUTPUT_BYTES, on_more=self._count)

    def close_inside(self) -> None:
        """Let go of the child's ends."""
        for descriptor in self.inside:
            os.close(descriptor)
        self.inside = (-1, -1, -1)

    def stop(self, cause: Cause) -> None:
        """Stop listening, for a reason that comes from outside the conversation.

        The first reason stays.
        """
        self.cause = self.cause or cause
        self.stream.interrupt()

    def printed(self) -> tuple[str, str]:
        """The beginnings of what it wrote to stdout and stderr."""
        return self._out.text(), self._err.text()

    def close(self) -> None:
        """Let go of the host's ends."""
        self.stream.close()
        self._out.close()
        self._err.close()

    def _count(self, size: int) -> None:
        self._printed_bytes += size
        if self._printed_bytes > PRINTED_BYTES_MAX:
            self.stop(Cause.PRINTED_TOO_MUCH)
