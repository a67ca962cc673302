"""A runner that was taken over, against everything above it: all it can do is lose its own jail."""

import asyncio
import sys

import pytest

from grader.domain.outcome import Limits, Outcome
from grader.jail.child import Child
from grader.jail.execution import Clock, Executed, Order, execute, receive
from grader.jail.jail import Jail, JailStartFailed

LIMITS = Limits(wall_s=1.0, memory_bytes=1 << 28, cpu_s=2)

# Stands in the place of nsjail, with a child of its own in the place of the jail's first process.
# It talks as a runner does until it is asked to end an execution; `answer` is what it does then.
RUNNER = """
import os, socket, sys, time
control = socket.socket(fileno=os.dup(0))
if os.fork() == 0:
    control.close()
    os.close(0)
    time.sleep(60)
    os._exit(0)
control.send({ready!r})
while True:
    payload = control.recv(65536)
    if not payload:
        os._exit(0)
    if b'"load"' in payload:
        control.send(b'{{"op":"loaded"}}')
    if b'"reap"' in payload:
        {answer}
"""
ENDED = '{{"op":"ended","id":1,"status":{status},"killed":false,"cpu_s":{cpu_s},"rss_bytes":{rss}}}'


def says(text: str) -> str:
    return f"control.send({text.encode()!r})"


def ended(status: str = "0", cpu_s: str = "0.1", rss: str = "1") -> str:
    return says(ENDED.format(status=status, cpu_s=cpu_s, rss=rss))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("pass", id="says nothing"),
        pytest.param("os._exit(0)", id="goes away"),
        pytest.param(says("\x00\xff not json"), id="says what is not JSON"),
        pytest.param(says("[1]"), id="says a list"),
        pytest.param(says('"op"'), id="says a text"),
        pytest.param(says('{"op":"ended","id":2}'), id="ends another execution"),
        pytest.param(says('{"op":"loaded"}'), id="answers what nobody asked"),
        pytest.param(says('{"op":"ended","id":1}'), id="says nothing of how it ended"),
        pytest.param(ended(status='"0"'), id="says a status that is text"),
        pytest.param(ended(status="true"), id="says a status that is true"),
        pytest.param(ended(status="65536"), id="says a status that no wait gives"),
        pytest.param(ended(status=str(10**30)), id="says a status of thirty digits"),
        pytest.param(ended(status="-5"), id="says a negative status"),
        pytest.param(ended(cpu_s="1e999"), id="says endless time"),
        pytest.param("control.send(b' ' * 100_000)", id="says 100 kB"),
        pytest.param("[control.send(b'{}') for _ in iter(int, 1)]", id="floods the control socket"),
    ],
)
async def test_a_runner_that_lies_loses_its_jail(answer: str) -> None:
    executed = await _executed(answer)

    assert executed.failure is not None
    assert executed.failure.outcome is Outcome.JAIL_LOST


@pytest.mark.parametrize(
    "ready",
    [
        pytest.param(b"", id="hangs up"),
        pytest.param(b"nonsense", id="says nonsense"),
        pytest.param(b'{"op":"loaded"}', id="skips a step"),
        pytest.param(b"[" * 100_000, id="opens 100,000 brackets"),
    ],
)
async def test_a_runner_that_does_not_start_properly_is_no_jail(ready: bytes) -> None:
    with pytest.raises(JailStartFailed):
        await Jail.start(_command("pass", ready), b"{}")


def _command(answer: str, ready: bytes = b'{"op":"ready"}') -> list[str]:
    return [sys.executable, "-S", "-c", RUNNER.format(ready=ready, answer=answer)]


async def _executed(answer: str) -> Executed[None]:
    async def converse(child: Child, _: Clock) -> None:
        await receive(child)

    jail = await Jail.start(_command(answer), b"{}")
    try:
        async with asyncio.timeout(20):
            return await execute(
                jail, Order(kind="grade", limits=LIMITS, frame_bytes_max=1_000), converse
            )
    finally:
        await jail.end()
