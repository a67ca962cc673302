"""A folder instead of the hub: the same datasets without a network."""

import os
from pathlib import Path

import pytest

from hub.stand_in import StandInHub
from importer.domain.hub import HubNotFound
from importer.outbound.hub.client import Hub
from importer.outbound.hub.folder import FolderHub
from importer.outbound.hub.opening import open_hub
from importer.settings import Settings
from integration.importer.conftest import Importer
from integration.importer.hub.test_hub_datasets import lines, parquet, refusal, rows_of

FILES = {"README.md": b"# rows", "data/test.jsonl": lines({"n": 1}), "x.parquet": b"PAR1" * 900}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path, content in FILES.items():
        target = tmp_path / "hub" / "team" / "set" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return tmp_path / "hub"


async def test_a_folder_answers_as_the_hub_does(folder: Path, hub: StandInHub) -> None:
    hub.add("team/set", FILES)
    answers = []
    for one in (open_hub(folder.as_uri()), Hub(hub.url)):
        async with one.asked_as(None) as session:
            commit = await session.commit("team/set", "main")
            part = session.content("team/set", commit, "x.parquet", start=2, end=9)
            for wrong in ("gone", "0" * 40):
                with pytest.raises(HubNotFound):
                    await session.commit("team/set", wrong)
            answers.append(
                (
                    len(commit),
                    [file async for file in session.files("team/set", commit)],
                    [file async for file in session.files("team/set", commit, folder="data")],
                    b"".join([chunk async for chunk in part]),
                )
            )

    assert answers[0] == answers[1]


@pytest.mark.parametrize("path", ["../../../outside", "link", "no-file", "data"])
async def test_nothing_outside_of_a_repository_is_read(folder: Path, path: str) -> None:
    (folder.parent / "outside").write_text("secret")
    (folder / "team" / "set" / "link").symlink_to(folder.parent / "outside")

    async with FolderHub(folder).asked_as(None) as session:
        with pytest.raises(HubNotFound):
            await anext(session.content("team/set", "main", path))
        listed = [file.path async for file in session.files("team/set", "main")]
        with pytest.raises(HubNotFound):
            await session.commit("../hub/team/set", "main")

    assert listed == sorted(FILES)


async def test_a_name_that_is_no_text_harms_no_other_file(folder: Path) -> None:
    (folder / "team" / "set" / os.fsdecode(b"\xff.jsonl")).write_bytes(b"1")

    async with FolderHub(folder).asked_as(None) as session:
        commit = await session.commit("team/set", "main")
        part = session.content("team/set", commit, "x.parquet", end=4)
        content = b"".join([chunk async for chunk in part])

    assert content == b"PAR1"


class TestThroughTheImporter:
    @pytest.fixture
    def settings(self, settings: Settings, folder: Path) -> Settings:
        return settings.model_copy(update={"hub_url": folder.as_uri()})

    async def test_rows_come_from_the_folder_and_follow_its_changes(
        self, folder: Path, importer: Importer
    ) -> None:
        root = folder / "team" / "set"
        (root / "x.parquet").unlink()

        before = await rows_of(importer)
        (root / "data" / "test.jsonl").write_bytes(lines({"n": 2}))
        os.utime(root / "data" / "test.jsonl", (1, 1))
        (root / "train.parquet").write_bytes(parquet({"n": [3]}))

        assert before == [{"n": 1}]
        assert await rows_of(importer, data_files="data/*") == [{"n": 2}]
        assert await rows_of(importer, data_files="train.parquet") == [{"n": 3}]
        assert "check `path`" in (await refusal(importer, path="team/none")).message
