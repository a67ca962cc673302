"""How a jail is searched, with an ordinary process tree in its place."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from grader.jail import process
from grader.jail.process import JailProcess

# In the place of nsjail: its one child stands for the jail's first process and has two children, of
# which each has one.
TREE = """
import os, threading, time
ready, telling = os.pipe()
def stay():
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.05)
    os._exit(0)
if os.fork() == 0:
    if {threads}:
        threading.Thread(target=stay).start()
    for _ in range(2):
        if os.fork() == 0:
            if os.fork():
                os.write(telling, b"x")
            stay()
    stay()
for _ in range(2):
    os.read(ready, 1)
os.write(2, b"up")
stay()
"""


@asynccontextmanager
async def tree(*, threads: int = 0) -> AsyncIterator[JailProcess]:
    running = JailProcess([sys.executable, "-S", "-c", TREE.format(threads=threads)])
    try:
        async with asyncio.timeout(20):
            while running.log.text() != "up":
                await asyncio.sleep(0.01)
        running.find_init()
        yield running
    finally:
        await running.end()


@pytest.fixture
def walked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The processes whose children were asked for."""
    seen: list[int] = []
    children = process._children

    def noted(pid: int) -> list[int]:
        seen.append(pid)
        return children(pid)

    monkeypatch.setattr(process, "_children", noted)
    return seen


async def test_processes_of_every_depth_are_found() -> None:
    async with tree() as jail:
        assert jail.has_more_than(processes=3)
        assert not jail.has_more_than(processes=4)
        assert not jail.is_single()


async def test_a_search_ends_as_soon_as_there_are_too_many(walked: list[int]) -> None:
    async with tree() as jail:
        assert jail.has_more_than(processes=1)

    assert len(walked) == 1


async def test_a_thread_of_the_first_process_ends_the_search_before_it_begins(
    walked: list[int],
) -> None:
    async with tree(threads=1) as jail:
        assert jail.has_more_than(processes=1_000)

    assert walked == []
