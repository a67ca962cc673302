"""A runner that was taken over, against everything above it: all it can do is lose its own jail."""

import asyncio
import sys
import time
from contextlib import nullcontext

import pytest

from grader.domain.outcome import Limits, Outcome
from grader.jail.child import Child
from grader.jail.execution import Clock, Executed, Order, execute, receive
from grader.jail.jail import Jail, JailStartFailed, Preload
from grader.jail.process import JailProcess

LIMITS = Limits(wall_s=1.0, memory_bytes=1 << 28, cpu_s=2)
PRELOAD = Preload(LIMITS, nullcontext())

# Stands in the place of nsjail, with a child of its own in the place of the jail's first process.
# It talks as a runner does until it is asked to end an execution; `answer` is what it does then.
RUNNER = """
import os, signal, socket, sys, threading, time
done, doing = os.pipe()
control = socket.socket(fileno=os.dup(0))
if os.fork() == 0:
    control.close()
    os.close(0)
    {first}
    os.write(doing, b"x")
    time.sleep(60)
    os._exit(0)
os.read(done, 1)
control.send({ready!r})
while True:
    payload = control.recv(65536)
    if not payload:
        os._exit(0)
    if b'"load"' in payload:
        {loaded}
    if b'"reap"' in payload:
        {answer}
"""
ENDED = '{{"op":"ended","id":1,"status":{status},"killed":false,"cpu_s":{cpu_s},"rss_bytes":{rss}}}'


LOADED = 'control.send(b\'{"op":"loaded"}\')'
# What the first process of a jail does once the module body runs in it.
PROCESSES = "[os.fork() or time.sleep(60) for _ in range({count})]"
LATER = "signal.signal(signal.SIGALRM, lambda *_: os.fork()); signal.alarm(1)"
THREAD = "threading.Thread(target=time.sleep, args=(60,)).start()"
THREAD_LATER = f"signal.signal(signal.SIGALRM, lambda *_: {THREAD}); signal.alarm(1)"


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
        pytest.param(ended(cpu_s="1e300"), id="says a time older than the world"),
        pytest.param(ended(cpu_s="-1"), id="says a negative time"),
        pytest.param(ended(cpu_s="false"), id="says a time that is false"),
        pytest.param(ended(rss=str(2**63)), id="says memory of 64 bits"),
        pytest.param(ended(rss="1e20"), id="says memory as a fraction"),
        pytest.param(ended(rss="1.5"), id="says memory of half a byte"),
        pytest.param(ended(rss="-1"), id="says negative memory"),
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


@pytest.mark.parametrize(
    ("first", "loaded"),
    [
        pytest.param("pass", "pass", id="never says that it has"),
        pytest.param("pass", "os._exit(0)", id="goes away"),
        pytest.param("pass", says('{"op":"ended","id":1}'), id="says something else"),
        pytest.param(PROCESSES.format(count=1), LOADED, id="leaves a process"),
        pytest.param(THREAD, LOADED, id="leaves a thread"),
    ],
)
async def test_a_runner_that_does_not_load_a_program_properly_is_no_jail(
    first: str, loaded: str
) -> None:
    with pytest.raises(JailStartFailed):
        await Jail.start(_command("pass", first=first, loaded=loaded), b"{}", PRELOAD)


async def test_a_program_that_makes_processes_while_it_is_loaded_is_stopped_at_once() -> None:
    command = _command("pass", first=PROCESSES.format(count=2), loaded="pass")
    limits = Limits(wall_s=50.0, memory_bytes=1 << 28, cpu_s=2)

    async with asyncio.timeout(20):
        with pytest.raises(JailStartFailed):
            await Jail.start(command, b"{}", Preload(limits, nullcontext()))


@pytest.mark.parametrize(
    "later",
    [pytest.param(LATER, id="a process"), pytest.param(THREAD_LATER, id="a thread")],
)
async def test_a_jail_is_lost_when_its_runner_makes_later_what_nobody_ordered(later: str) -> None:
    jail = await Jail.start(_command("pass", first=later), b"{}", PRELOAD)
    try:
        async with asyncio.timeout(20):
            while not jail.is_lost:
                await asyncio.sleep(0.05)
    finally:
        await jail.end()


async def test_a_jail_that_takes_long_to_look_at_is_looked_at_less_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks: list[float] = []

    def slow(_: JailProcess, processes: int) -> bool:
        looks.append(time.monotonic())
        started = time.thread_time()
        while time.thread_time() < started + 0.01:
            pass
        return processes < 0

    monkeypatch.setattr(JailProcess, "has_more_than", slow)
    monkeypatch.setattr(JailProcess, "is_single", lambda _: True)
    jail = await Jail.start(_command("pass"), b"{}", PRELOAD)
    before = len(looks)
    try:
        async with asyncio.timeout(20):
            while len(looks) == before:
                await asyncio.sleep(0.05)
    finally:
        await jail.end()

    assert looks[-1] - looks[-2] > 0.9


def _command(
    answer: str, ready: bytes = b'{"op":"ready"}', *, first: str = "pass", loaded: str = LOADED
) -> list[str]:
    runner = RUNNER.format(ready=ready, answer=answer, first=first, loaded=loaded)
    return [sys.executable, "-S", "-c", runner]


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
