import json
from pathlib import Path

import pytest

from unit.cli.terminal import Terminal


def test_an_upload_prints_the_id(terminal: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("{}\n")

    assert terminal.run("files", "upload", str(path)) == 0

    assert terminal.out == "file_0  rows.jsonl  3 bytes\n"
    assert terminal.fake.contents["file_0"] == b"{}\n"


def test_a_file_that_is_not_there_is_a_sentence(terminal: Terminal) -> None:
    assert terminal.run("files", "upload", "gone.jsonl") == 1

    assert "gone.jsonl cannot be read: No such file" in terminal.err


def test_files_are_listed_as_a_table_or_as_json(terminal: Terminal) -> None:
    for number in range(5):
        terminal.fake.add_file(f"{number}.csv", b"x")

    terminal.run("files", "list")
    table = terminal.out
    terminal.run("files", "list", "--json")

    assert all(f"{number}.csv" in table for number in range(5))
    assert [json.loads(line)["id"] for line in terminal.out.splitlines()] == [
        f"file_{number}" for number in range(5)
    ]


def test_a_file_is_shown_downloaded_and_deleted(terminal: Terminal, tmp_path: Path) -> None:
    terminal.fake.add_file("rows.csv", b"a,b\n")
    target = tmp_path / "copy.csv"

    assert terminal.run("files", "get", "file_0") == 0
    assert json.loads(terminal.out)["filename"] == "rows.csv"
    assert terminal.run("files", "get", "file_0", "--output", str(target)) == 0
    assert target.read_bytes() == b"a,b\n"
    assert terminal.run("files", "delete", "file_0") == 0
    assert terminal.run("files", "get", "file_0") == 1


def test_a_file_that_a_suite_uses_is_deleted_by_force_only(
    terminal: Terminal, tmp_path: Path
) -> None:
    file_id = terminal.fake.add_file("rows.jsonl", b"{}")
    manifest = {"tasks": [{"id": "t", "dataset": {"file_id": file_id}}]}
    (tmp_path / "s.json").write_text(json.dumps({"name": "sums", "manifest": manifest}))
    terminal.run("suites", "create", str(tmp_path / "s.json"))

    assert terminal.run("files", "delete", file_id) == 1
    assert "eval_suite_0  sums, version 1" in terminal.err
    assert file_id in terminal.fake.files

    assert terminal.run("files", "delete", file_id, "--force") == 0
    assert file_id not in terminal.fake.files


def test_content_goes_to_the_output_as_it_is(
    terminal: Terminal, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    terminal.fake.add_file("rows.csv", b"\xff\x00")

    assert terminal.run("files", "get", "file_0", "-o", "-") == 0

    assert capsysbinary.readouterr().out == b"\xff\x00"
