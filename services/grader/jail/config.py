"""nsjail's configuration and command line.

Constants in two files beside this one, the rest filled in here.
"""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from grader.domain.isolation import Isolation
from grader.jail.cgroups import Cgroups
from grader.jail.root import APP, PYTHON

# The user every program sees itself as; who it is outside differs from jail to jail.
INSIDE_ID = 1000

# -S -s -P: no site packages, no user packages, no script folder on the path. Not -I or -E, which
# would also ignore PYTHONHASHSEED; nsjail clears the environment, so there is nothing for them to
# protect from.
INTERPRETER = (PYTHON, "-S", "-s", "-P", "-B", "-X", "utf8", f"{APP}/grader/inside/runner/main.py")

# Room for what the jail's own limit allows (320) and for threads that are being torn down.
PIDS_MAX = 384


@dataclass(frozen=True, slots=True, kw_only=True)
class JailSetup:
    """What all jails of this service have in common.

    `memory_bytes` bounds a whole jail where cgroups are ours; without them only the limits of each
    execution hold.
    """

    nsjail: Path
    config: Path
    memory_bytes: int
    cgroups: Cgroups | None


def policy_path() -> Path:
    """The system call policy, as a file that nsjail can read."""
    return Path(str(resources.files("grader.jail") / "jail.kafel"))


def render_config(*, root: Path, policy: Path) -> str:
    """Nsjail's configuration for jails over `root`."""
    template = (resources.files("grader.jail") / "jail.cfg").read_text(encoding="utf-8")
    return template.replace("@ROOT@", str(root)).replace("@POLICY@", str(policy))


def write_config(root: Path, *, policy: Path | None = None) -> Path:
    """Write the configuration beside the root, in one step; returns its path."""
    place = root.with_suffix(".cfg")
    descriptor, draft = tempfile.mkstemp(dir=root.parent, prefix=".draft-")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(render_config(root=root, policy=policy or policy_path()))
    return Path(draft).rename(place)


def jail_command(
    setup: JailSetup,
    *,
    outside_uid: int,
    outside_gid: int,
    flavour: str,
    isolation: Isolation = Isolation.FRESH,
) -> Sequence[str]:
    """The command that starts one jail whose runner serves `flavour`.

    `isolation` is settled here for the life of the jail: nothing that is said to its runner later
    lets an execution write files, or runs a program in the runner itself.
    """
    command = [str(setup.nsjail), "--config", str(setup.config), "--quiet"]
    command += ["--user", f"{INSIDE_ID}:{outside_uid}:1", "--group", f"{INSIDE_ID}:{outside_gid}:1"]
    if setup.cgroups is not None:
        command += setup.cgroups.flags(memory_bytes=setup.memory_bytes, pids=PIDS_MAX)
    return [*command, "--", *INTERPRETER, flavour, isolation]
