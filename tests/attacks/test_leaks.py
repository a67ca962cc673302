"""Many jails, started and ended, leave nothing: no descriptor, mount, group, process or memory."""

import json
import subprocess
import sys

import pytest

from attacks.harness.client import ENVIRONMENT, ROOTS_FOLDER
from attacks.harness.profiles import Profile, remove_files

MEMORY_MAX_BYTES = 6 << 20
JAIL_S_MAX = 1.0  # one after the other on a busy machine


@pytest.mark.timeout(0)
def test_jails_leave_nothing_behind(profile: Profile, request: pytest.FixtureRequest) -> None:
    count = int(request.config.getoption("--jails", default=300))

    process = subprocess.Popen(
        [sys.executable, "-m", "attacks.harness.leaks", str(ROOTS_FOLDER), profile, str(count)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
    )
    try:
        stdout, _ = process.communicate(timeout=60 + count * JAIL_S_MAX)
    finally:
        process.kill()
        remove_files(ROOTS_FOLDER, process.pid)

    more = json.loads(stdout)
    assert more.pop("memory_bytes") < MEMORY_MAX_BYTES
    assert more == dict.fromkeys(["descriptors", "mounts", "groups", "processes", "threads"], 0)
