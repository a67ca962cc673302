"""Limits of a whole jail, where control groups (version 1) are ours to use."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PARENT = "proctor-jails"
SWEEP_AGE_S = 60.0  # a jail that starts has made its group but may not be in it yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Cgroups:
    """Folders under which nsjail makes a group for each jail.

    One of the memory, one of the pids controller.
    """

    memory_mount: Path
    memory_parent: str
    pids_mount: Path
    pids_parent: str
    swap_is_counted: bool

    def flags(self, *, memory_bytes: int, pids: int) -> Sequence[str]:
        """Nsjail's flags for a jail with these limits.

        Swap counts as memory where the kernel keeps count of it.
        """
        memory = [
            "--cgroup_mem_max",
            str(memory_bytes),
            "--cgroup_mem_mount",
            str(self.memory_mount),
        ]
        memory += ["--cgroup_mem_parent", self.memory_parent]
        if self.swap_is_counted:
            memory += ["--cgroup_mem_swap_max", "0"]
        return [
            *memory,
            *("--cgroup_pids_max", str(pids), "--cgroup_pids_mount", str(self.pids_mount)),
            *("--cgroup_pids_parent", self.pids_parent),
        ]

    def groups(self) -> Iterator[Path]:
        """Groups of jails that live, and of those whose nsjail could not clean up."""
        for parent in (self.memory_mount / self.memory_parent, self.pids_mount / self.pids_parent):
            yield from parent.glob("NSJAIL.*")

    def sweep(self) -> None:
        """Remove groups left behind. One that is in use cannot be removed, whoever uses it."""
        oldest = time.time() - SWEEP_AGE_S
        for group in self.groups():
            with suppress(OSError):
                if group.stat().st_mtime < oldest:
                    group.rmdir()


def probe_cgroups() -> Cgroups | None:
    """Control groups of version 1 if this process may make groups in them, else None.

    Being root does not tell, nor does the type of the file system: containers mount it read-only.
    So it tries.
    """
    memory, pids = _controller("memory"), _controller("pids")
    if memory is None or pids is None:
        return None
    probes = [mount / parent / f"probe-{os.getpid()}" for mount, parent in (memory, pids)]
    limits = ("memory.limit_in_bytes", "pids.max")
    try:
        for probe, limit in zip(probes, limits, strict=True):
            probe.mkdir(parents=True)
            if not (probe / limit).exists():
                return None
        swap_is_counted = (probes[0] / "memory.memsw.limit_in_bytes").exists()
    except OSError:
        return None
    finally:
        for probe in probes:
            with suppress(OSError):
                probe.rmdir()
    return Cgroups(
        memory_mount=memory[0],
        memory_parent=memory[1],
        pids_mount=pids[0],
        pids_parent=pids[1],
        swap_is_counted=swap_is_counted,
    )


def _controller(name: str) -> tuple[Path, str] | None:
    """Where a controller is mounted, and our parent for jails below our own group."""
    for line in _lines("/proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if kind[:1] == ["cgroup"] and name in kind[-1].split(","):
            own = _own_group(name).removeprefix(fields[3].rstrip("/")).strip("/")
            return Path(fields[4]), f"{own}/{PARENT}".lstrip("/")
    return None


def _own_group(controller: str) -> str:
    for line in _lines("/proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return path
    return "/"


def _lines(path: str) -> Sequence[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ()
