from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from cli.api import Api
from cli.errors import CliError
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
