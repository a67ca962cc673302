"""Where the JSON Schema of a part differs from what its class says.

Parsing fills in what follows from other keys, so a class may need a key that a manifest does not.
"""

from collections.abc import Callable
from typing import Any


def requires(*names: str) -> Callable[[dict[str, Any]], None]:
    """Make a class's schema require `names`, which are then never null, and nothing else."""

    def change(schema: dict[str, Any]) -> None:
        schema.pop("required", None)
        if names:
            schema["required"] = list(names)
        for name in names:
            _require(schema["properties"][name])

    return change


def without_default(schema: dict[str, Any]) -> None:
    """Take the default out of a member's schema: it depends on other members."""
    schema.pop("default", None)


def _require(member: dict[str, Any]) -> None:
    member.pop("default", None)
    kinds = [kind for kind in member.pop("anyOf", ()) if kind != {"type": "null"}]
    member.update(kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {})
