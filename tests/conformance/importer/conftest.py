"""The importer's ports: tables in Postgres, and the fakes that unit tests use instead."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from importer.app.service import SCHEMA, VERSIONS
from importer.outbound.blob_uses import PostgresBlobUses
from importer.outbound.dataset_table import PostgresDatasets
from importer.outbound.file_table import PostgresFiles
from importer.ports import BlobUses, Datasets, Files
from pgstore.database import Database
from pgstore.migrations import upgrade
from unit.importer.usecases.fakes import FakeDatasets, FakeTables


@dataclass(frozen=True)
class Ports:
    files: Files
    datasets: Datasets
    uses: BlobUses


@pytest.fixture
def fake_ports() -> Ports:
    tables = FakeTables()
    return Ports(files=tables, datasets=FakeDatasets(tables), uses=tables)


@pytest.fixture
async def postgres_ports(postgres_dsn: str) -> AsyncIterator[Ports]:
    await upgrade(postgres_dsn, schema=SCHEMA, versions_package=VERSIONS)
    async with Database.connect(postgres_dsn, schema=SCHEMA) as database:
        yield Ports(
            files=PostgresFiles(database),
            datasets=PostgresDatasets(database),
            uses=PostgresBlobUses(database),
        )


@pytest.fixture(params=["fake_ports", "postgres_ports"])
def ports(request: pytest.FixtureRequest) -> Ports:
    ports = request.getfixturevalue(request.param)
    assert isinstance(ports, Ports)
    return ports
