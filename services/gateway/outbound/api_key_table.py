"""API keys in Postgres."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ARRAY, Column, DateTime, LargeBinary, Text
from sqlmodel import Field, SQLModel, col, func, select, update

from gateway.domain.api_keys import ApiKey
from gateway.domain.scopes import Scope
from pgstore.database import Database


class ApiKeyRow(SQLModel, table=True):
    """A row of `api_keys`; the table itself is made by the migrations."""

    __tablename__ = "api_keys"

    id: str = Field(primary_key=True)
    name: str
    org_id: str
    team_id: str
    scopes: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    seal: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    is_org_admin: bool = False
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    last_used_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    revoked_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))


class PostgresApiKeys:
    """The keys of this installation, as in `gateway.ports.ApiKeys`.

    Every method raises StoreUnavailable when Postgres is away.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, key_id: str) -> ApiKey | None:
        """The key with this id, revoked ones included."""
        async with self._database.transaction() as session:
            row = await session.get(ApiKeyRow, key_id)
        return _key(row) if row else None

    async def add(self, key: ApiKey) -> None:
        """Store a new key."""
        async with self._database.transaction() as session:
            session.add(_row(key))

    async def list_all(self) -> Sequence[ApiKey]:
        """All keys, oldest first, revoked ones included."""
        statement = select(ApiKeyRow).order_by(col(ApiKeyRow.created_at), col(ApiKeyRow.id))
        async with self._database.transaction() as session:
            rows = await session.exec(statement)
            return [_key(row) for row in rows]

    async def revoke(self, key_id: str, at: datetime) -> ApiKey | None:
        """Revoke a key and return it, or nothing; an earlier revocation stands."""
        statement = (
            update(ApiKeyRow)
            .where(col(ApiKeyRow.id) == key_id)
            .values(revoked_at=func.coalesce(col(ApiKeyRow.revoked_at), at))
            .returning(ApiKeyRow)
        )
        async with self._database.transaction() as session:
            row = (await session.exec(statement)).scalar_one_or_none()
        return _key(row) if row else None

    async def note_use(self, key_id: str, at: datetime) -> None:
        """Remember that the key was used; a later use stands."""
        statement = (
            update(ApiKeyRow)
            .where(col(ApiKeyRow.id) == key_id)
            .values(last_used_at=func.greatest(col(ApiKeyRow.last_used_at), at))
        )
        async with self._database.transaction() as session:
            await session.exec(statement)


def _key(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        org_id=row.org_id,
        team_id=row.team_id,
        scopes=frozenset(Scope(scope) for scope in row.scopes),
        seal=row.seal,
        created_at=row.created_at,
        is_org_admin=row.is_org_admin,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )


def _row(key: ApiKey) -> ApiKeyRow:
    return ApiKeyRow(
        id=key.id,
        name=key.name,
        org_id=key.org_id,
        team_id=key.team_id,
        scopes=sorted(key.scopes),
        seal=key.seal,
        created_at=key.created_at,
        is_org_admin=key.is_org_admin,
        last_used_at=key.last_used_at,
        revoked_at=key.revoked_at,
    )
