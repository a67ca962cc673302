"""What a stack is started with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_STATE_DIR = Path(".proctor")


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """What the person who starts a stack may choose.

    Attributes:
        state_dir: everything of the stack; made when missing.
        models_file: models.toml of the gateway; None for the local model.
        port: port of REST on the loopback address; 0 keeps the last one or picks a free one.
        environment: variables of the caller. The gateway alone gets those that models.toml names
            for provider keys, and what says how to reach the outside (proxies, certificates).
    """

    state_dir: Path = DEFAULT_STATE_DIR
    models_file: Path | None = None
    port: int = 0
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
