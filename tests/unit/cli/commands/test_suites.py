import json
from collections.abc import Callable
from pathlib import Path

import pytest

from unit.cli.terminal import Terminal

WriteSuite = Callable[..., Path]


def test_a_suite_is_made_from_a_file_and_shown_by_name(
    terminal: Terminal, suite_file: WriteSuite
) -> None:
    assert terminal.run("suites", "create", str(suite_file())) == 0
    assert terminal.out == "eval_suite_0  sums\n"

    assert terminal.run("suites", "show", "sums") == 0
    assert "exact" in terminal.out
    assert "file_0\trows.jsonl" in terminal.out


def test_every_problem_of_a_manifest_is_listed(terminal: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text('{"tasks": [{"id": "bad"}, {"id": "good"}, {"id": "bad"}]}')

    assert terminal.run("suites", "create", str(path)) == 1

    assert terminal.err.splitlines() == [
        "Error: 2 problems [400 invalid_manifest]",
        "  manifest.tasks[0].id is bad.",
        "  manifest.tasks[2].id is bad.",
    ]


def test_a_single_problem_is_the_sentence(terminal: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text('{"tasks": [{"id": "bad"}]}')

    terminal.run("suites", "create", str(path))

    assert terminal.err == "Error: manifest.tasks[0].id is bad. [400 invalid_manifest]\n"


@pytest.mark.parametrize(
    ("words", "state", "active"), [((), "active", 2), (("--stage",), "staged", 1)]
)
def test_a_version_is_added_with_what_its_file_refers_to(
    words: tuple[str, ...], state: str, active: int, terminal: Terminal, suite_file: WriteSuite
) -> None:
    terminal.run("suites", "create", str(suite_file()))

    assert terminal.run("suites", "version", "sums", str(suite_file("other")), *words) == 0

    assert terminal.out == f"eval_suite_0  sums, version 2, {state}\n"
    assert terminal.fake.suites["eval_suite_0"]["active_version"] == active
    assert '"file_id": "file_0"' in json.dumps(terminal.fake.manifests["eval_suite_0"])


def test_suites_are_listed(terminal: Terminal, suite_file: WriteSuite) -> None:
    for name in "abcd":
        terminal.run("suites", "create", str(suite_file()), "--name", name)

    terminal.run("suites", "list", "--json")

    assert [json.loads(line)["name"] for line in terminal.out.splitlines()] == list("dcba")


def test_a_dataset_that_was_deleted_is_said_to_be(
    terminal: Terminal, suite_file: WriteSuite
) -> None:
    terminal.run("suites", "create", str(suite_file()))
    terminal.run("files", "delete", "file_0", "--force")

    terminal.run("suites", "show", "sums")

    assert "file_0\t(deleted)" in terminal.out


@pytest.mark.parametrize("words", [("suites", "show", "sums"), ("run", "sums", "--model", "small")])
def test_a_name_of_several_suites_is_refused_with_their_ids(
    words: tuple[str, ...], terminal: Terminal, suite_file: WriteSuite
) -> None:
    terminal.run("suites", "create", str(suite_file()))
    terminal.run("suites", "create", str(suite_file()))

    assert terminal.run(*words) == 1

    first, *ids = terminal.err.splitlines()
    assert first == "Error: 2 suites are named sums; give the id of one, newest first:"
    assert [line.split()[0] for line in ids] == ["eval_suite_1", "eval_suite_0"]
    assert not terminal.fake.runs


def test_an_unknown_name_is_a_sentence(terminal: Terminal) -> None:
    assert terminal.run("suites", "show", "nothing") == 1

    assert terminal.err == "Error: There is no suite with the id or name nothing.\n"


def test_a_name_makes_no_line_of_its_own(terminal: Terminal, suite_file: WriteSuite) -> None:
    name, shown = "sums\nError: forged\u202e", "sums\\nError: forged\\u202e"

    terminal.run("suites", "create", str(suite_file()), "--name", name)
    assert terminal.out == f"eval_suite_0  {shown}\n"

    terminal.run("suites", "show", name)
    assert terminal.err == f"eval_suite_0  {shown}, version 1\n"

    terminal.run("suites", "show", f"{name}?")
    assert terminal.err == f"Error: There is no suite with the id or name {shown}?.\n"
