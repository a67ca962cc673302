"""Limits of a whole jail, where control groups are ours to use."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SWEEP_AGE_S = 60.0  # a jail that starts has made its group but may not be in it yet


class Cgroups(ABC):
    """Folders under which nsjail makes a group for each jail."""

    __slots__ = ()

    @property
    @abstractmethod
    def parents(self) -> Sequence[Path]:
        """These folders."""

    @abstractmethod
    def flags(self, *, memory_bytes: int, pids: int) -> Sequence[str]:
        """Nsjail's flags for a jail with these limits.

        Swap counts as memory where the kernel keeps count of it.
        """

    def groups(self) -> Iterator[Path]:
        """Groups of jails that live, and of those whose nsjail could not clean up."""
        for parent in self.parents:
            yield from parent.glob("NSJAIL.*")

    def sweep(self) -> None:
        """Remove groups left behind. One that is in use cannot be removed, whoever uses it."""
        oldest = time.time() - SWEEP_AGE_S
        for group in self.groups():
            with suppress(OSError):
                if group.stat().st_mtime < oldest:
                    group.rmdir()


@dataclass(frozen=True, slots=True, kw_only=True)
class CgroupsV1(Cgroups):
    """Version 1: a folder of the memory and one of the pids controller."""

    memory_mount: Path
    memory_parent: str
    pids_mount: Path
    pids_parent: str
    swap_is_counted: bool

    @property
    def parents(self) -> Sequence[Path]:
        """One of the memory, one of the pids controller."""
        return self.memory_mount / self.memory_parent, self.pids_mount / self.pids_parent

    def flags(self, *, memory_bytes: int, pids: int) -> Sequence[str]:
        """Both limits, each with its place."""
        return [
            *("--cgroup_mem_max", str(memory_bytes)),
            *("--cgroup_mem_mount", str(self.memory_mount)),
            *("--cgroup_mem_parent", self.memory_parent),
            *(("--cgroup_mem_swap_max", "0") if self.swap_is_counted else ()),
            *("--cgroup_pids_max", str(pids)),
            *("--cgroup_pids_mount", str(self.pids_mount)),
            *("--cgroup_pids_parent", self.pids_parent),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class CgroupsV2(Cgroups):
    """Version 2: one folder, whose groups have both controllers."""

    parent: Path
    swap_is_counted: bool

    @property
    def parents(self) -> Sequence[Path]:
        """The one."""
        return (self.parent,)

    def flags(self, *, memory_bytes: int, pids: int) -> Sequence[str]:
        """Both limits, in one place."""
        return [
            *("--use_cgroupv2", "--cgroupv2_mount", str(self.parent)),
            *("--cgroup_mem_max", str(memory_bytes)),
            *(("--cgroup_mem_swap_max", "0") if self.swap_is_counted else ()),
            *("--cgroup_pids_max", str(pids)),
        ]
