"""API keys in Postgres."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.domain.api_keys import ApiKey
from gateway.domain.scopes import Scope
from pgstore.connecting import Connections

_COLUMNS = """
    id, name, org_id, team_id, scopes, seal, is_org_admin, created_at, last_used_at, revoked_at
"""
_FIND = f"SELECT {_COLUMNS} FROM api_keys WHERE id = $1"  # noqa: S608 -- ours
_LIST = f"SELECT {_COLUMNS} FROM api_keys ORDER BY created_at, id"  # noqa: S608 -- ours
_ADD = f"""
    INSERT INTO api_keys ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""  # noqa: S608 -- ours
_REVOKE = f"""
    UPDATE api_keys SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1 RETURNING {_COLUMNS}
"""  # noqa: S608 -- ours
_NOTE_USE = "UPDATE api_keys SET last_used_at = greatest(last_used_at, $2) WHERE id = $1"


class PostgresApiKeys:
    """The keys of this installation, as in `gateway.ports.ApiKeys`.

    Every method raises StoreUnavailable when Postgres is away.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def find(self, key_id: str) -> ApiKey | None:
        """The key with this id, revoked ones included."""
        async with self._connections.connection() as connection:
            row = await connection.fetchrow(_FIND, key_id)
        return _key(row) if row else None

    async def add(self, key: ApiKey) -> None:
        """Store a new key."""
        async with self._connections.connection() as connection:
            await connection.execute(
                _ADD,
                *(key.id, key.name, key.org_id, key.team_id, sorted(key.scopes), key.seal),
                *(key.is_org_admin, key.created_at, key.last_used_at, key.revoked_at),
            )

    async def list_all(self) -> Sequence[ApiKey]:
        """All keys, oldest first, revoked ones included."""
        async with self._connections.connection() as connection:
            return [_key(row) for row in await connection.fetch(_LIST)]

    async def revoke(self, key_id: str, at: datetime) -> ApiKey | None:
        """Revoke a key and return it, or nothing; an earlier revocation stands."""
        async with self._connections.connection() as connection:
            row = await connection.fetchrow(_REVOKE, key_id, at)
        return _key(row) if row else None

    async def note_use(self, key_id: str, at: datetime) -> None:
        """Remember that the key was used; a later use stands."""
        async with self._connections.connection() as connection:
            await connection.execute(_NOTE_USE, key_id, at)


def _key(row: Mapping[str, Any]) -> ApiKey:
    return ApiKey(
        id=row["id"],
        name=row["name"],
        org_id=row["org_id"],
        team_id=row["team_id"],
        scopes=frozenset(Scope(scope) for scope in row["scopes"]),
        seal=row["seal"],
        created_at=row["created_at"],
        is_org_admin=row["is_org_admin"],
        last_used_at=row["last_used_at"],
        revoked_at=row["revoked_at"],
    )
