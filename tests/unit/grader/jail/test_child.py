import os
import resource
from pathlib import Path

import pytest

from grader.jail.child import Child


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize("room", range(1, 6))
async def test_where_descriptors_run_out_none_stays_open(room: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    filling: list[int] = []
    before = open_descriptors()
    try:
        # So that the lowest free numbers are the last ones.
        resource.setrlimit(resource.RLIMIT_NOFILE, (before + 64, hard))
        while len(filling) < 1_000:
            try:
                filling.append(os.dup(0))
            except OSError:
                break
        for _ in range(room):
            os.close(filling.pop())
        held = before + len(filling)

        with pytest.raises(OSError, match="Too many open files"):
            Child(1, frame_bytes_max=100)

        for _ in range(2):  # to look at them takes one
            os.close(filling.pop())
        assert open_descriptors() == held - 2
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in filling:
            os.close(descriptor)
