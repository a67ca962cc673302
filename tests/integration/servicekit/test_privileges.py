"""What a process hid is closed to its own children, as it is to anybody of its user."""

import json
import subprocess
import sys

import pytest

# A forked child has the modules that it needs, though an ordinary user may not read their files.
PROGRAM = """
import asyncio, codecs, ctypes, json, os, signal, sys
from contextlib import asynccontextmanager
from pathlib import Path
from servicekit.lifecycle import run_service
from servicekit.logs import configure_logs
from servicekit.privileges import drop_privileges

user, what = sys.argv[1:]

def become_somebody():
    for lazily_imported in ("ascii", "latin-1", "idna"):
        codecs.lookup(lazily_imported)
    os.setgroups([])
    os.setresgid(1000, 1000, 1000)
    os.setresuid(1000, 1000, 1000)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # as if it had been this user from the beginning

def opened(pid):
    for name in ("mem", "environ", "maps"):
        try:
            Path(f"/proc/{pid}/{name}").open("rb", buffering=0).close()
        except OSError:
            continue
        yield name

def look():
    service = os.getpid()
    child = os.fork()
    if not child:
        os.write(1, json.dumps(list(opened(service))).encode())
        os._exit(0)
    os.waitpid(child, 0)

class Looks:
    async def run(self):
        look()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

@asynccontextmanager
async def build():
    yield [Looks()]

if user == "somebody" and os.geteuid() == 0:
    become_somebody()
drop_privileges()  # whoever has fewer than another cannot look at it, hidden or not
configure_logs("test", "INFO", json=True)
if what == "service":
    run_service(build, "test")
else:
    look()
"""
CHANGED_BY_CHILD = """
import os
from pathlib import Path
from servicekit.privileges import drop_privileges
drop_privileges()
print(Path("/proc/self/status").read_text())
"""
users = pytest.mark.parametrize("user", ["somebody", "root"])


def read_by_a_child(user: str, what: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, user, what], stdout=subprocess.PIPE, check=True, timeout=50
    )
    read: list[str] = json.loads(done.stdout)
    return read


@users
def test_memory_and_environment_of_a_service_are_closed_to_its_children(user: str) -> None:
    assert read_by_a_child(user, "service") == []


@users
def test_those_of_other_processes_are_not_which_is_why(user: str) -> None:
    assert "environ" in read_by_a_child(user, "something else")


def test_who_dropped_its_privileges_has_none_and_gains_none() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHANGED_BY_CHILD], stdout=subprocess.PIPE, check=True, text=True
    )

    told = dict(line.split(":\t") for line in done.stdout.strip().splitlines())
    assert int(told["CapPrm"], 16) == int(told["CapEff"], 16) == int(told["CapInh"], 16) == 0
    assert int(told["CapAmb"], 16) == 0
    assert told["NoNewPrivs"] == "1"
