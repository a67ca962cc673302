"""The self-test's program: tries from inside what a jail must not allow.

Read as text, never imported.
"""

import ctypes
import os
import socket
import subprocess
import sys
from collections.abc import Callable

ENVIRONMENT = {
    "HOME",
    "LANG",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
    "PYTHONPATH",
    "RAYON_NUM_THREADS",
    "TMPDIR",
}
ROOT = {"app", "dev", "lib", "lib64", "libraries", "tmp", "usr"}


def grade(_: dict[str, object], item: dict[str, object]) -> dict[str, float]:
    """Score 1 for each guard that holds; with `act` in the row, do what gets a process killed."""
    if item.get("act") == "ptrace":
        ctypes.CDLL(None).ptrace(0, 0, 0, 0)
    guards: dict[str, Callable[[], object]] = {
        "network": lambda: socket.socket(socket.AF_INET),
        "sockets": lambda: socket.socket(socket.AF_UNIX),
        "processes": os.fork,
        "programs": lambda: subprocess.run([sys.executable], check=False),
        "writing": lambda: open("/tmp/left", "w"),  # noqa: PTH123, S108, SIM115
        "signals": lambda: os.kill(1, 0),
        "memory": lambda: bytearray(600 << 20),
        "host_files": lambda: os.listdir("/etc"),  # noqa: PTH208
    }
    held = {name: float(_is_refused(act)) for name, act in guards.items()}
    held["root"] = float(set(os.listdir("/")) <= ROOT)  # noqa: PTH208
    held["environment"] = float(set(os.environ) <= ENVIRONMENT)  # noqa: TID251 - that is what it looks at
    return held


def _is_refused(act: Callable[[], object]) -> bool:
    try:
        act()
    except (OSError, MemoryError):
        return True
    return False
