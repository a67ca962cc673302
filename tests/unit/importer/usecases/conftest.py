from pathlib import Path

import pytest

from blobstore.store import BlobStore
from importer.domain.file import Owner
from unit.importer.usecases.fakes import FakeTables


@pytest.fixture
def owner() -> Owner:
    return Owner(org_id="org", team_id="team")


@pytest.fixture
def tables() -> FakeTables:
    return FakeTables()


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore.open(f"file://{tmp_path}/blobs")
