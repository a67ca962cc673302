"""Many jails, started and ended, leave nothing: no descriptor, mount, group, process or memory."""

import json
import subprocess
import sys

import pytest

from attacks.harness.client import ENVIRONMENT, ROOTS_FOLDER
from attacks.harness.profiles import Profile, remove_files

MEMORY_MAX_BYTES = 6 << 20
# Of the whole machine, where others may work as well; 300 jails would show as 300.
KERNEL_GROUPS_MAX = 100
JAIL_S_MAX = 0.5  # two busy cores take 0.1 s


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
    assert more.pop("kernel_groups") < KERNEL_GROUPS_MAX
    assert more == dict.fromkeys(["descriptors", "mounts", "groups", "processes", "threads"], 0)
