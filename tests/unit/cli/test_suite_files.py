import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from cli.errors import CliError
from cli.server.api import Api
from cli.suite_files import SuiteFile, read_suite_file, resolved
from unit.cli.fake_api import KEY, FakeProctor

WriteSuite = Callable[..., Path]


def read(path: Path, *, name: str | None = None, description: str | None = None) -> SuiteFile:
    return read_suite_file(path, name=name, description=description)


def test_a_bare_manifest_takes_its_name_from_the_file(suite_file: WriteSuite) -> None:
    assert read(suite_file()).body["name"] == "sums"


def test_the_options_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text('{"name": "a", "description": "b", "manifest": {}}')

    assert read(path).body == {"name": "a", "description": "b", "manifest": {}}
    assert read(path, name="x", description="y").body == {
        "name": "x",
        "description": "y",
        "manifest": {},
    }


async def test_references_become_ids_and_sources(suite_file: WriteSuite) -> None:
    fake = FakeProctor()
    suite = read(suite_file())

    async with Api("http://f", KEY, transport=httpx.ASGITransport(fake.app)) as api:
        first = await resolved(suite, api)
        second = await resolved(suite, api)

    assert first["manifest"] == {
        "tasks": [
            {
                "id": "exact",
                "type": "qa",
                "dataset": {"file_id": "file_0"},
                "grader": {
                    "type": "python",
                    "source": "def grade(sample, item):\n    return 1\n",
                },
            }
        ]
    }
    assert second == first
    assert len(fake.files) == 1


@pytest.mark.parametrize(
    ("content", "sentence"),
    [("{", "is not JSON"), ("[]", "must hold a JSON object"), (None, "No such file")],
)
def test_a_bad_suite_file_is_a_sentence(content: str | None, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    if content is not None:
        path.write_text(content)

    with pytest.raises(CliError, match=sentence):
        read(path)


async def test_a_missing_reference_names_its_path(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text('{"tasks": [{"dataset": {"file_id": "@gone.jsonl"}}]}')

    async with Api("http://f", KEY, transport=httpx.ASGITransport(FakeProctor().app)) as api:
        with pytest.raises(CliError, match=r"gone\.jsonl cannot be read"):
            await resolved(read(path), api)


def suite_beside_a_secret(tmp_path: Path) -> Path:
    """A folder with a suite in it and a link that leaves it; the secret lies outside."""
    (tmp_path / "secret").write_text("private")
    folder = tmp_path / "suite"
    (folder / "data").mkdir(parents=True)
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "up").symlink_to(tmp_path, target_is_directory=True)
    return folder


@pytest.mark.parametrize(("owner", "key"), [("dataset", "file_id"), ("grader", "source")])
@pytest.mark.parametrize("way", ["../secret", "data/../../secret", "link", "up/secret", "{abs}"])
async def test_a_suite_reads_nothing_outside_its_folder(
    owner: str, key: str, way: str, tmp_path: Path
) -> None:
    folder, fake = suite_beside_a_secret(tmp_path), FakeProctor()
    reference = way.replace("{abs}", str(tmp_path / "secret"))
    path = folder / "s.json"
    path.write_text(json.dumps({"tasks": [{}, {owner: {key: f"@{reference}"}}]}))

    async with Api("http://f", KEY, transport=httpx.ASGITransport(fake.app)) as api:
        with pytest.raises(CliError) as refused:
            await resolved(read(path), api)

    assert refused.value.message.startswith(
        f"manifest.tasks[1].{owner}.{key}: @{reference} is not in the folder of the suite file"
    )
    assert "Copy it beside the suite file, or upload it" in refused.value.message
    assert not fake.files


async def test_a_path_may_be_absolute_only_in_the_command(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    (tmp_path / "rows.jsonl").write_text("{}\n")
    path.write_text(json.dumps({"tasks": [{"dataset": {"file_id": f"@{tmp_path}/rows.jsonl"}}]}))

    async with Api("http://f", KEY, transport=httpx.ASGITransport(FakeProctor().app)) as api:
        with pytest.raises(CliError, match="is not in the folder of the suite file"):
            await resolved(read(path), api)


@pytest.mark.parametrize("reference", ["loop", "a\0b"])
async def test_a_reference_that_is_no_path_is_a_sentence(reference: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    path = tmp_path / "s.json"
    path.write_text(json.dumps({"tasks": [{"grader": {"source": f"@{reference}"}}]}))

    async with Api("http://f", KEY, transport=httpx.ASGITransport(FakeProctor().app)) as api:
        with pytest.raises(CliError, match=r"manifest\.tasks\[0\]\.grader\.source: .* cannot be r"):
            await resolved(read(path), api)


async def test_files_in_folders_below_and_links_that_stay_inside_are_read(tmp_path: Path) -> None:
    folder = suite_beside_a_secret(tmp_path)
    (folder / "data" / "g.py").write_text("x = 1")
    (folder / "same.py").symlink_to("data/g.py")
    path = folder / "s.json"
    sources = ["@data/g.py", "@data/../same.py", "@./data/g.py"]
    path.write_text(json.dumps({"tasks": [{"grader": {"source": one}} for one in sources]}))
    elsewhere = tmp_path / "alias"
    elsewhere.symlink_to(folder, target_is_directory=True)

    async with Api("http://f", KEY, transport=httpx.ASGITransport(FakeProctor().app)) as api:
        for suite in (read(path), read(elsewhere / "s.json")):
            body = await resolved(suite, api)
            assert body["manifest"] == {"tasks": [{"grader": {"source": "x = 1"}}] * 3}


async def test_the_suite_of_the_examples_refers_to_files_that_are_read() -> None:
    fake = FakeProctor()
    examples = Path(__file__).parents[3] / "examples"

    async with Api("http://f", KEY, transport=httpx.ASGITransport(fake.app)) as api:
        for path in examples.glob("*.json"):
            assert '"@' not in json.dumps(await resolved(read(path), api))

    assert len(fake.files) == 1
