from pathlib import Path

import httpx
import pytest

from cli.errors import CliError
from cli.server.api import Api
from cli.server.downloads import download
from unit.cli.fake_api import KEY, FakeProctor


async def test_a_file_arrives_whole(tmp_path: Path) -> None:
    fake = FakeProctor()
    file_id = fake.add_file("rows.jsonl", b"x" * 100_000)

    async with Api("http://f", KEY, transport=httpx.ASGITransport(fake.app)) as api:
        await download(api, file_id, tmp_path / "new" / "rows.jsonl")

    assert (tmp_path / "new" / "rows.jsonl").read_bytes() == b"x" * 100_000


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_a_broken_download_leaves_nothing(tmp_path: Path) -> None:
    async with Api("http://f", KEY, transport=httpx.ASGITransport(FakeProctor().app)) as api:
        with pytest.raises(CliError):
            await download(api, "file_gone", tmp_path / "rows.jsonl")

    assert names_in(tmp_path) == []


async def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    fake = FakeProctor()
    file_id = fake.add_file("rows.jsonl", b"")
    (tmp_path / "taken").write_text("")

    async with Api("http://f", KEY, transport=httpx.ASGITransport(fake.app)) as api:
        with pytest.raises(CliError, match="cannot be written"):
            await download(api, file_id, tmp_path / "taken" / "rows.jsonl")
