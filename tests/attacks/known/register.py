"""All known attacks by name, and which category each is of."""

from collections.abc import Mapping, Sequence

from attacks.attack import Attack
from attacks.known import (
    bodies,
    channel_frames,
    channel_models,
    channel_results,
    endings,
    files,
    kernel_calls,
    kernel_memory,
    libraries,
    markers,
    network,
    output,
    persistence,
    preprocessors,
    process,
    read,
    resources,
    templates,
)

CATEGORIES: Mapping[str, Sequence[Attack]] = {
    "channel": (*channel_frames.ATTACKS, *channel_results.ATTACKS, *channel_models.ATTACKS),
    "kernel": (*kernel_calls.ATTACKS, *kernel_memory.ATTACKS),
    "libraries": libraries.ATTACKS,
    "network": network.ATTACKS,
    "bodies": bodies.ATTACKS,
    "files": files.ATTACKS,
    "persistence": persistence.ATTACKS,
    "preparation": (*templates.ATTACKS, *preprocessors.ATTACKS),
    "process": (*process.ATTACKS, *endings.ATTACKS),
    "read": read.ATTACKS,
    "outside": markers.ATTACKS,
    "resources": (*resources.ATTACKS, *output.ATTACKS),
}

ATTACKS: Mapping[str, Attack] = {
    attack.name: attack for attacks in CATEGORIES.values() for attack in attacks
}
# By which a mistake in one way of isolation would show; the others are made in all ways by
# `make attacks`.
TRIED_IN_EVERY_ISOLATION = frozenset(
    {
        "notes_in_tmp",
        "notes_by_every_call",
        "patch_runner_in_memory",
        "poison_sys_modules",
        "locks_on_shared_files",
        "dev_null_as_a_letter_box",
        "priority_and_limits",
        "daemon_leftover",
        "exec_interpreter",
        "kill_everybody",
        "net_receive_descriptors",
        "orphan_itself",
        "unshare_user",
        "ptrace_runner",
        "read_runner_memory",
        "disk_fill",
    }
)
assert len(ATTACKS) == sum(map(len, CATEGORIES.values())), "two attacks share a name"
assert ATTACKS.keys() >= TRIED_IN_EVERY_ISOLATION
