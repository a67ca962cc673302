"""Nothing a tenant wrote runs outside of a jail."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import FileIO
from pathlib import Path

import pytest

from attacks.harness.aftermath import ancestry, processes
from attacks.harness.client import Attacked, attacked_service
from attacks.harness.profiles import Profile
from attacks.known.markers import ATTACKS

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into other processes"),
]

# Only who runs the program puts these words together; the attacked service does not load this file.
MARK_OF = {
    "marker_grader": b"proctor-marker-grader-attack",
    "marker_preprocessor": b"proctor-marker-preprocessor-attack",
    "marker_template": b"proctor-marker-template-attack",
}
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@pytest.fixture(scope="module")
def attacked(profile: Profile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    with attacked_service(tmp_path_factory.mktemp("marked"), profile) as service:
        yield service


@pytest.mark.parametrize("name", MARK_OF)
def test_a_program_leaves_its_mark_in_jails_only(name: str, attacked: Attacked) -> None:
    with ThreadPoolExecutor(1) as other:
        launched = other.submit(attacked.launch, name)
        marked: set[int] = set()
        inside: set[int] = set()
        while not launched.done():
            for pid in _tree(attacked.pid):
                if _memory_holds(pid, MARK_OF[name]):
                    marked.add(pid)
                    inside |= {pid} if _is_jailed(pid, attacked.pid) else set()

    assert launched.result().faults == []
    assert marked, "nobody ran it"
    assert marked == inside


@pytest.mark.parametrize("name", [attack.name for attack in ATTACKS])
def test_only_jails_spend_time_on_a_program(name: str, attacked: Attacked) -> None:
    before_s = _cpu_s(attacked.pid)
    inside_s: dict[int, float] = {}
    with ThreadPoolExecutor(1) as other:
        launched = other.submit(attacked.launch, name)
        while not launched.done():
            for pid in _tree(attacked.pid) - {attacked.pid}:
                inside_s[pid] = max(_cpu_s(pid), inside_s.get(pid, 0.0))
    outside_s = _cpu_s(attacked.pid) - before_s

    # A service that waits for one attack spends a tenth of a second on all there is around it.
    assert max(inside_s.values()) > 0.4
    assert outside_s < 0.35


def _tree(top: int) -> set[int]:
    known = processes()
    return {process.pid for process in known.values() if top in ancestry(process, known)}


def _memory_holds(pid: int, mark: bytes) -> bool:
    with suppress(OSError, ValueError):
        maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines()
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            return any(mark in piece for piece in _writable(memory, maps))
    return False


def _writable(memory: FileIO, maps: list[str]) -> Iterator[bytes]:
    for line in maps:
        place, rights, *_ = line.split()
        if rights.startswith("rw"):
            start, end = (int(part, 16) for part in place.split("-"))
            with suppress(OSError, OverflowError):
                yield os.pread(memory.fileno(), end - start, start)


def _is_jailed(pid: int, service: int) -> bool:
    with suppress(OSError):
        own, outer = (Path(f"/proc/{one}/ns/pid").readlink() for one in (pid, service))
        return own != outer
    return False


def _cpu_s(pid: int) -> float:
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK_S
    return 0.0
