"""How many descriptors the service needs; without them one team's executions end another's."""

import resource

from grader.jail.jail import EXECUTIONS_AT_ONCE_MAX
from grader.jail.selftest import SelfTestFailed

PER_JAIL = 4  # its control socket, its log, nsjail, its first process
PER_EXECUTION = 3  # a socket, two pipes; as many again for a moment, while it starts
SPARE = 256


def check_descriptors(jails_max: int) -> None:
    """Make sure that all jails can be full at once.

    Raises:
        SelfTestFailed: this process may not open so many files.
    """
    needed = jails_max * (PER_JAIL + PER_EXECUTION * EXECUTIONS_AT_ONCE_MAX) + SPARE
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        raise SelfTestFailed(
            f"this process may open {soft} files, and {jails_max} jails may need {needed}: raise"
            " the limit (ulimit -n, LimitNOFILE=), or lower GRADER_JAILS_MAX"
        )
