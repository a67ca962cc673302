"""All known attacks by name, and which category each is of."""

from collections.abc import Mapping, Sequence

from attacks.attack import Attack
from attacks.known import (
    channel_frames,
    channel_models,
    channel_results,
    endings,
    kernel_calls,
    kernel_memory,
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
    "network": network.ATTACKS,
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
assert len(ATTACKS) == sum(map(len, CATEGORIES.values())), "two attacks share a name"
