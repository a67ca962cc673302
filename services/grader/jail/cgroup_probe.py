"""Find out whether control groups are ours to use, by using them.

Being root does not tell, nor does the type of a file system: containers mount it read-only.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from grader.jail.cgroups import Cgroups, CgroupsV1, CgroupsV2

PARENT = "proctor-jails"
# Where the service itself goes in version 2: a group whose children have controllers must have no
# process of its own.
SERVICE_LEAF = "proctor-service"

_CONTROLLERS = frozenset({"memory", "pids"})
_ENABLE = "+memory +pids"
_V1_LIMITS = {"memory": "memory.limit_in_bytes", "pids": "pids.max"}
_V2_LIMITS = ("memory.max", "pids.max")


class Files(Protocol):
    """What is done to a tree of control groups; anything may fail with OSError."""

    def make(self, group: Path) -> None:
        """Make a group; one that is there is left."""
        ...

    def remove(self, group: Path) -> None:
        """Remove a group without processes and children."""
        ...

    def read(self, file: Path) -> str:
        """What a file of a group says."""
        ...

    def write(self, file: Path, text: str) -> None:
        """Tell a file of a group something."""
        ...


class KernelFiles(Files):
    """The kernel's own tree."""

    def make(self, group: Path) -> None:
        """Make the folder."""
        group.mkdir(exist_ok=True)

    def remove(self, group: Path) -> None:
        """Remove the folder."""
        group.rmdir()

    def read(self, file: Path) -> str:
        """Read the file."""
        return file.read_text(encoding="ascii")

    def write(self, file: Path, text: str) -> None:
        """Write in one call, which is one order to the kernel."""
        file.write_text(text, encoding="ascii")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a hierarchy is mounted, and the path of this process's own group in it."""

    mount: Path
    own: str

    @property
    def group(self) -> Path:
        """This process's own group."""
        return self.mount / self.own


def probe_cgroups(*, proc: Path = Path("/proc/self"), files: Files | None = None) -> Cgroups | None:
    """Control groups if this process may limit jails with them, else None.

    Version 1 is looked at first: where both are mounted, version 2 rarely has the controllers. For
    version 2 this process may be moved into a group of its own, below the one it is in.
    """
    files = files or KernelFiles()
    mounts, groups = _lines(proc / "mountinfo"), _lines(proc / "cgroup")
    memory, pids = (_place(mounts, groups, name) for name in _V1_LIMITS)
    if memory and pids and (found := _probe_v1(memory, pids, files)):
        return found
    unified = _place(mounts, groups, "")
    return _probe_v2(unified, files) if unified else None


def _probe_v1(memory: Place, pids: Place, files: Files) -> CgroupsV1 | None:
    parents = [place.group / PARENT for place in (memory, pids)]
    try:
        for parent in parents:
            files.make(parent)
        swap_is_counted = _try_group(
            parents[0], _V1_LIMITS["memory"], "memory.memsw.limit_in_bytes", files
        )
        _try_group(parents[1], _V1_LIMITS["pids"], "", files)
    except OSError:
        _remove(parents, files)
        return None
    return CgroupsV1(
        memory_mount=memory.mount,
        memory_parent=f"{memory.own}/{PARENT}".lstrip("/"),
        pids_mount=pids.mount,
        pids_parent=f"{pids.own}/{PARENT}".lstrip("/"),
        swap_is_counted=swap_is_counted,
    )


def _probe_v2(place: Place, files: Files) -> CgroupsV2 | None:
    own = place.group.parent if place.group.name == SERVICE_LEAF else place.group
    parent = own / PARENT
    try:
        if not _has(own / "cgroup.controllers", files):
            return None
        if not _has(own / "cgroup.subtree_control", files):
            _pass_controllers_on(own, files)
        files.make(parent)
        files.write(parent / "cgroup.subtree_control", _ENABLE)
        for limit in _V2_LIMITS:
            swap_is_counted = _try_group(parent, limit, "memory.swap.max", files)
    except OSError:
        _remove([parent], files)
        return None
    return CgroupsV2(parent=parent, swap_is_counted=swap_is_counted)


def _pass_controllers_on(own: Path, files: Files) -> None:
    """Give the children of `own` its controllers, with this process in one of them.

    Raises:
        OSError: it is not ours, or other processes are in it; this process is where it was.
    """
    # The root of the whole machine has no type. It is not ours, whoever we are.
    files.read(own / "cgroup.type")
    leaf, pid = own / SERVICE_LEAF, str(os.getpid())
    files.make(leaf)
    try:
        files.write(leaf / "cgroup.procs", pid)
        files.write(own / "cgroup.subtree_control", _ENABLE)
    except OSError:
        with suppress(OSError):
            files.write(own / "cgroup.procs", pid)
            files.remove(leaf)
        raise


def _try_group(parent: Path, limit: str, swap: str, files: Files) -> bool:
    """Make a group and remove it again; tells whether it can limit swap too.

    Raises:
        OSError: it cannot be made, or has no such limit.
    """
    group = parent / f"probe-{os.getpid()}"
    files.make(group)
    try:
        files.read(group / limit)
        with suppress(OSError):
            files.read(group / swap)
            return bool(swap)
        return False
    finally:
        with suppress(OSError):
            files.remove(group)


def _remove(groups: Sequence[Path], files: Files) -> None:
    for group in groups:
        with suppress(OSError):
            files.remove(group)


def _has(file: Path, files: Files) -> bool:
    return set(files.read(file).split()) >= _CONTROLLERS


def _place(mounts: Sequence[str], groups: Sequence[str], controller: str) -> Place | None:
    """Where a controller of version 1 is; without a name, where version 2 is."""
    for line in mounts:
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        is_it = (
            kind[0] == "cgroup" and controller in kind[-1].split(",")
            if controller
            else kind[0] == "cgroup2"
        )
        if is_it:
            own = _own_group(groups, controller).removeprefix(fields[3].rstrip("/")).strip("/")
            # Seen from a namespace that this process is outside of, its group is nowhere.
            return None if ".." in own.split("/") else Place(Path(fields[4]), own)
    return None


def _own_group(groups: Sequence[str], controller: str) -> str:
    for line in groups:
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return path
    return "/"


def _lines(path: Path) -> Sequence[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ()
