import mmap
import os
from pathlib import Path

import pytest

from grader.inside.runner.compiling import compiled
from grader.inside.runner.filters import ChildFilter


class Looking(ChildFilter):
    """Notes, in memory that is shared, what the process has open that it would confine."""

    def __init__(self) -> None:
        self.notes = mmap.mmap(-1, 4_096)

    def install(self, pid: int) -> None:
        for descriptor in sorted(Path(f"/proc/{pid}/fd").iterdir(), key=lambda one: int(one.name)):
            if descriptor.exists() or descriptor.is_symlink():  # the listing's own is closed again
                self.notes.write(f"{descriptor.readlink()}\n".encode())


@pytest.fixture
def looking() -> Looking:
    return Looking()


def test_a_program_is_compiled_with_nothing_open_but_the_way_back(looking: Looking) -> None:
    with Path(__file__).open("rb"):
        code = compiled("x is 1", "grader.py", looking)

    assert code is not None
    *standard, way_back = looking.notes[:].rstrip(b"\0").decode().splitlines()
    assert standard == [os.devnull] * 3
    assert way_back.startswith("pipe:")
