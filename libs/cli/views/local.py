"""What commands list that the gateway's own commands print: keys and models of the local stack."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TypedDict

from cli.views.listing import Listing

_TIME = "%Y-%m-%d %H:%M:%SZ"


class KeyJson(TypedDict):
    """An API key without its secret; times are in ISO 8601."""

    id: str
    name: str
    org_id: str
    team_id: str
    scopes: list[str]
    is_org_admin: bool
    created_at: str
    revoked_at: str | None


class ModelJson(TypedDict):
    """A model of the local stack; `key_source` is a variable or a file, never a key."""

    id: str
    api: str
    provider: str
    upstream_model: str
    key_source: str | None
    key_present: bool


def keys_table(keys: Iterable[KeyJson]) -> Listing:
    """Return API keys and what they may do."""
    rows = [
        (
            key["id"],
            key["name"],
            "revoked" if key["revoked_at"] else "active",
            f"{key['org_id']}/{key['team_id']}",
            ", ".join([*key["scopes"], *(["org admin"] if key["is_org_admin"] else [])]),
            f"{datetime.fromisoformat(key['created_at']).astimezone(UTC):{_TIME}}",
        )
        for key in keys
    ]
    return Listing(names=("id", "name", "state", "org/team", "scopes", "created"), rows=rows)


def models_table(models: Iterable[ModelJson]) -> Listing:
    """Return models, and whether their providers have the keys they are said to have."""
    rows = [
        (
            model["id"],
            model["api"],
            model["provider"],
            model["upstream_model"],
            _key_state(model),
        )
        for model in models
    ]
    return Listing(names=("id", "kind", "provider", "upstream model", "key"), rows=rows)


def _key_state(model: ModelJson) -> str:
    if model["key_source"] is None:
        return "none needed"
    return f"{'present' if model['key_present'] else 'missing'} ({model['key_source']})"
