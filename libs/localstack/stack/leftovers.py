"""Processes that a killed supervisor left behind."""

import asyncio
import json
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from localstack.processes import until_gone
from localstack.secrets import write_private
from localstack.stack.folder import StateFolder

STOP_S = 12.0
_FILE = "processes.json"
# Postgres ends its own leftovers, and knows better how.
_NOT_OURS = "postgres"


def note_processes(folder: StateFolder, pids: Mapping[str, int]) -> None:
    """Remember what runs, so that the next start can end what is still there."""
    noted = {name: [pid, _started_at(pid)] for name, pid in pids.items() if name != _NOT_OURS}
    write_private(folder.path / _FILE, json.dumps(noted))


async def end_leftovers(folder: StateFolder) -> None:
    """End what is left of the last stack in this folder; its members were told to stop already.

    They hold ports and the locks of their data, and would answer in place of their successors.
    """
    noted: dict[str, tuple[int, int]] = {}
    with suppress(FileNotFoundError, ValueError):
        noted = json.loads((folder.path / _FILE).read_text())
    async with asyncio.TaskGroup() as tasks:
        for pid, started_at in noted.values():
            # Another process may have got the pid; no two start in the same tick with it.
            if pid and _started_at(pid) == started_at:
                tasks.create_task(_end(pid))


async def _end(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    with suppress(TimeoutError):
        async with asyncio.timeout(STOP_S):
            await until_gone(pid)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    async with asyncio.timeout(STOP_S):
        await until_gone(pid)


def _started_at(pid: int) -> int:
    """Return when a process started, in ticks since the machine did; 0 when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[19])  # field 22; the name before may hold spaces
