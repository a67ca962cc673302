"""Which revision a schema is at, without Alembic: commands look before they load it."""

from importlib import resources

import asyncpg

from pgstore.connecting import Connections


async def is_up_to_date(connections: Connections, versions_package: str) -> bool:
    """Whether a schema is at the newest revision of a package, neither behind nor ahead of it.

    Raises:
        StoreUnavailable: Postgres went away.
    """
    async with connections.connection() as connection:
        try:
            rows = await connection.fetch("SELECT version_num FROM alembic_version")
        except asyncpg.UndefinedTableError:
            return False
    return [row["version_num"] for row in rows] == [newest_revision(versions_package)]


def newest_revision(versions_package: str) -> str:
    """Return the last revision of a package, whose modules are named `<revision>_<words>.py`."""
    names = (entry.name for entry in resources.files(versions_package).iterdir())
    return max(name.partition("_")[0] for name in names if name[0].isdigit())
