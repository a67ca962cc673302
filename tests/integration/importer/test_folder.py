"""A folder, read as if it were a repository."""

import os
from pathlib import Path

from importer.outbound.folder import Folder


async def paths_in(folder: Folder) -> dict[str, int]:
    return {file.path: file.size_bytes async for file in folder.files("", "")}


async def test_files_are_told_with_their_paths_and_links_out_of_the_folder_are_not(
    tmp_path: Path,
) -> None:
    inside, outside = tmp_path / "in", tmp_path / "secret.jsonl"
    (inside / "m").mkdir(parents=True)
    (inside / "m" / "samples.jsonl").write_bytes(b"12345")
    outside.write_bytes(b"secret")
    (inside / "m" / "stolen_samples.jsonl").symlink_to(outside)
    folder = Folder(inside)

    assert await paths_in(folder) == {"m/samples.jsonl": 5}
    content = [chunk async for chunk in folder.content("", "", "m/samples.jsonl")]
    assert b"".join(content) == b"12345"


async def test_a_folder_that_changed_is_another_commit(tmp_path: Path) -> None:
    (tmp_path / "samples.jsonl").write_bytes(b"1")
    folder = Folder(tmp_path)
    before = await folder.commit("", "")
    same = await folder.commit("", "")
    (tmp_path / "more.jsonl").write_bytes(b"2")

    assert before == same != await folder.commit("", "")


async def test_a_name_that_is_no_text_harms_nothing(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff_samples.jsonl")).write_bytes(b"1")

    assert len(await Folder(tmp_path).commit("", "")) == 40
