"""A guard that guards nothing must be seen: without it, these attacks work."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from attacks.attack import WORKED
from attacks.harness.client import attacked_service
from attacks.harness.profiles import Ablation, Profile
from grader.domain.isolation import Isolation

pytestmark = pytest.mark.timeout(300)

_KERNEL = {
    "add_key": WORKED,
    "clone3_user_namespace": WORKED,
    "clone_namespaces": WORKED,
    "dirty_pipe": WORKED,
    "int80_shellcode": WORKED,
    "ipc_that_outlives_processes": WORKED,
    "kcmp": WORKED,
    "locks_on_shared_files": WORKED,
    "memory_made_executable": WORKED,
    "page_cache_probe": WORKED,
    "personality_read_implies_exec": WORKED,
    "pidfd_open_runner": WORKED,
    "portalocker_on_shared_file": WORKED,
    "ptrace_runner": "jail_lost",  # it stops the runner, and every execution of the jail with it
    "read_runner_memory": WORKED,
    "seccomp_listener": WORKED,
    "unshare_user": WORKED,
    "userfaultfd": WORKED,
    "write_runner_memory": WORKED,
}
_SOCKETS = {
    "net_netlink": WORKED,
    "net_redirect_channel": WORKED,
    "net_socketpair_datagram": WORKED,
    "net_vsock": WORKED,
}
# What the filters of the runner hold: processes, programs and files that outlive a sample, signals
# to others.
_RUNNERS = {
    "daemon_leftover": WORKED,
    "disk_fill": WORKED,
    "exec_interpreter": "crashed",  # another program runs in its place
    "jinja2_cache_in_tmp": WORKED,
    "kill_by_other_calls": WORKED,
    "kill_everybody": "crashed",  # it is killed too
    "net_receive_descriptors": WORKED,
    "notes_in_tmp": WORKED,
    "orphan_itself": WORKED,
}
_LOOPBACK = {"net_abstract_socket": WORKED, "net_service_loopback": WORKED}

EXPECTED: Mapping[Ablation, Mapping[str, str]] = {
    Ablation.NO_SECCOMP: {
        **_KERNEL,
        **_SOCKETS,
        **_RUNNERS,
        # Namespaces alone still hold these.
        "host_canary": "refused",
        "net_abstract_socket": "refused",
        "net_service_loopback": "refused",
    },
    Ablation.ONLY_POLICY: {
        **_RUNNERS,
        # The policy of the whole jail still holds these.
        "locks_on_shared_files": "refused",
        "portalocker_on_shared_file": "refused",
        "net_vsock": "refused",
        "unshare_user": "sandbox_violation",
    },
    Ablation.NO_NETWORK_NAMESPACE: _LOOPBACK,
}


@pytest.mark.parametrize("ablation", EXPECTED)
def test_without_a_layer_named_attacks_work(
    ablation: Ablation, profile: Profile, tmp_path: Path
) -> None:
    with attacked_service(tmp_path, profile, ablation) as attacked:
        seen = {name: attacked.launch(name).observed for name in EXPECTED[ablation]}

    assert seen == EXPECTED[ablation]


def test_without_its_filter_a_runner_that_runs_a_program_keeps_files_for_all_samples(
    profile: Profile, tmp_path: Path
) -> None:
    with attacked_service(tmp_path, profile, Ablation.ONLY_POLICY, Isolation.PRELOAD) as attacked:
        assert attacked.launch("body_leaves_files").observed == WORKED
