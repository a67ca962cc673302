"""What must be as before when an attack is over: files, processes, groups, descriptors, memory."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from grader.jail.config import JailSetup

RSS_GROWTH_MAX_BYTES = 64 << 20
_PROC = Path("/proc")


class Canary:
    """A file of the host that everybody may write, in a folder that everybody may write."""

    def __init__(self, folder: Path, secret: str) -> None:
        self.folder = folder
        self.path = folder / "canary"
        folder.chmod(0o777)
        self.path.write_text(secret, encoding="ascii")
        self.path.chmod(0o666)
        self._before = self._look()

    def faults(self) -> Iterator[str]:
        """What was done to it."""
        if self._look() != self._before:
            yield "the canary of the host was touched"

    def _look(self) -> object:
        found = self.path.stat()
        own = (found.st_ino, found.st_mode, found.st_uid, found.st_nlink, found.st_mtime_ns)
        return own, self.path.read_bytes(), sorted(os.listdir(self.folder))  # noqa: PTH208


@dataclass(frozen=True, slots=True)
class Process:
    """A process as /proc has it."""

    pid: int
    parent: int
    uid: int
    name: str


class Aftermath:
    """The state of the host around this process, compared with how it was.

    `own_uids` are the outside users that jails of this service may have; `spared` is the nsjail of
    the innocent team.
    """

    def __init__(self, setup: JailSetup, own_uids: range, spared: int) -> None:
        self._setup = setup
        self._own_uids = own_uids
        self._spared = spared
        self._descriptors = _descriptors()
        self._mounts = _mounts()
        self._groups = self._living_groups()
        self._rss_before = 0

    def begin(self) -> None:
        """Start to watch the memory of this process."""
        (_PROC / "self/clear_refs").write_text("5", encoding="ascii")  # peak := now
        self._rss_before = _memory("VmRSS")

    def faults(self) -> Iterator[str]:
        """What is not as it was."""
        left = [process for process in self._strangers() if process.pid != os.getpid()]
        if left:
            yield f"processes are left: {left}"
        if self._living_groups() != self._groups:
            yield f"control groups are left: {self._living_groups() - self._groups}"
        if _descriptors() != self._descriptors:
            yield f"descriptors: {_descriptors()}, were {self._descriptors}"
        if _mounts() != self._mounts:
            yield "the host's mounts changed"
        growth = _memory("VmHWM") - self._rss_before
        if growth > RSS_GROWTH_MAX_BYTES:
            yield f"the service grew by {growth >> 20} MiB"

    def _strangers(self) -> list[Process]:
        """Processes below this one, or of the jails' users, which are not of the innocent jail."""
        known = processes()
        return [
            process
            for process in known.values()
            if self._spared not in (line := ancestry(process, known))
            and (process.uid in self._own_uids or os.getpid() in line)
        ]

    def _living_groups(self) -> set[Path]:
        return set(self._setup.cgroups.groups()) if self._setup.cgroups is not None else set()


def ancestry(process: Process, known: Mapping[int, Process]) -> set[int]:
    """Process ids from a process up."""
    line = {process.pid}
    while (parent := known.get(process.parent)) is not None and parent.pid not in line:
        line.add(parent.pid)
        process = parent
    return line


def processes() -> dict[int, Process]:
    """All processes of the machine by their ids."""
    found = {}
    for folder in _PROC.glob("[0-9]*"):
        with suppress(OSError):
            status = (folder / "status").read_text(encoding="utf-8", errors="replace")
            pid = int(folder.name)
            found[pid] = Process(
                pid=pid,
                parent=int(_field(status, "PPid")),
                uid=int(_field(status, "Uid")),
                name=_field(status, "Name"),
            )
    return found


def _field(status: str, name: str) -> str:
    found = re.search(rf"^{name}:\s+(\S+)", status, re.MULTILINE)
    assert found is not None
    return found[1]


def _memory(name: str) -> int:
    return int(_field((_PROC / "self/status").read_text(encoding="ascii"), name)) * 1024


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def _mounts() -> int:
    return len((_PROC / "self/mountinfo").read_text(encoding="utf-8").splitlines())
