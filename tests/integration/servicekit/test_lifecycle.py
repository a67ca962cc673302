import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

PROGRAM = """
import asyncio
from contextlib import asynccontextmanager
from servicekit.lifecycle import run_service
from servicekit.logs import configure_logs

class Forever:
    async def run(self):
        print("running", flush=True)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            print("stopped", flush=True)

class Returns:
    async def run(self):
        return

class Fails:
    async def run(self):
        raise ValueError("broken")

@asynccontextmanager
async def build():
    print(type(asyncio.get_running_loop()).__module__, flush=True)
    {building}
    try:
        yield [{loops}]
    finally:
        print("closed", flush=True)

configure_logs("test", "INFO", json=True)
run_service(build, "test")
print("returned", flush=True)
"""
# As `asyncio.wait_for` does before Python 3.12, at the wrong moment.
LOSING = """
    import os
    try:
        os.kill(os.getpid(), 15)
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        pass
"""
PATIENCE_S = 20


@contextmanager
def started(loops: str, building: str = "pass") -> Iterator["subprocess.Popen[str]"]:
    program = PROGRAM.replace("{loops}", loops).replace("{building}", building)
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_service_asked_to_stop_closes_everything_and_ends_with_0(number: signal.Signals) -> None:
    with started("Forever()") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "uvloop\n"
        assert process.stdout.readline() == "running\n"

        process.send_signal(number)
        process.send_signal(number)  # a second one changes nothing
        out, _ = process.communicate(timeout=PATIENCE_S)

    assert out.splitlines() == ["stopped", "closed", "returned"]
    assert process.returncode == 0


def test_a_stop_that_a_library_loses_while_the_service_is_built_counts() -> None:
    with started("Forever()", building=LOSING) as process:
        out, _ = process.communicate(timeout=PATIENCE_S)

    assert out.splitlines() == ["uvloop", "closed", "returned"]
    assert process.returncode == 0


@pytest.mark.parametrize(("loop", "told"), [("Fails()", "broken"), ("Returns()", "LoopEnded")])
def test_a_loop_that_ends_by_itself_ends_the_service_with_1(loop: str, told: str) -> None:
    with started(f"Forever(), {loop}") as process:
        out, err = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 1
    assert "stopped" in out
    assert told in err
