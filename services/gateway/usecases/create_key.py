"""Create an API key."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain.api_keys import (
    NAME_CHARS_MAX,
    ApiKey,
    KeyText,
    draw_key_text,
    is_owner_id,
    seal,
)
from gateway.domain.scopes import Scope
from gateway.ports import ApiKeys
from servicekit.clock import Clock
from servicekit.errors import Kind, ServiceError, Violation


class KeyRefused(ServiceError):
    """The wanted key has a bad name, owner or scope; every problem is a violation."""

    kind = Kind.INVALID_ARGUMENT
    reason = "KEY_REFUSED"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just created, with the only copy of its text."""

    key: ApiKey
    text: KeyText


async def create_key(
    keys: ApiKeys,
    *,
    name: str,
    org_id: str,
    team_id: str,
    scopes: Sequence[str],
    pepper: bytes,
    clock: Clock,
    is_org_admin: bool = False,
) -> NewKey:
    """Create a key and return its text, which is not kept anywhere.

    Raises:
        KeyRefused: name, owner or scopes are not acceptable; nothing was stored.
    """
    problems = [*_problems(name, org_id, team_id), *_scope_problems(scopes)]
    if problems:
        raise KeyRefused(problems[0].message, violations=problems)
    text = draw_key_text()
    key = ApiKey(
        id=text.id,
        name=name,
        org_id=org_id,
        team_id=team_id,
        scopes=frozenset(Scope(scope) for scope in scopes),
        seal=seal(text, pepper),
        created_at=clock.utc_now(),
        is_org_admin=is_org_admin,
    )
    await keys.add(key)
    return NewKey(key, text)


def _problems(name: str, org_id: str, team_id: str) -> list[Violation]:
    problems = []
    if not 1 <= len(name) <= NAME_CHARS_MAX or not name.isprintable():
        problems.append(
            Violation("name", "INVALID_NAME", f"a name has 1 to {NAME_CHARS_MAX} characters")
        )
    problems += [
        Violation(path, "INVALID_OWNER", f"{path} has 1 to 64 letters, digits, '_' and '-'")
        for path, owner in (("org", org_id), ("team", team_id))
        if not is_owner_id(owner)
    ]
    return problems


def _scope_problems(scopes: Sequence[str]) -> list[Violation]:
    known = [scope.value for scope in Scope]
    if not scopes:
        return [Violation("scope", "NO_SCOPES", f"a key needs a scope: {', '.join(known)}")]
    return [
        Violation("scope", "UNKNOWN_SCOPE", f"there is no scope {scope!r}: {', '.join(known)}")
        for scope in scopes
        if scope not in known
    ]
