import json
from pathlib import Path

import pytest

from localstack.stack.description import StackDescription, write_description
from localstack.stack.folder import StateFolder
from unit.cli.terminal import Terminal


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    folder = StateFolder(tmp_path / "state")
    folder.make()
    return folder


@pytest.fixture
def described(folder: StateFolder) -> StackDescription:
    description = StackDescription(
        base_url="http://fake",
        api_key="prk_local_secret",
        nats_url="nats://proctor:secret@127.0.0.1:4222",
        postgres_dsn="postgresql://postgres:secret@127.0.0.1:5432/proctor",
        state_dir=folder.path,
        pids={"gateway": 1, "grader": 2**22},
    )
    write_description(folder, description)
    return description


@pytest.mark.parametrize("command", [("status",), ("restart", "gateway"), ("keys", "list")])
def test_without_a_stack_a_command_says_how_to_start_one(
    command: tuple[str, ...], terminal: Terminal, tmp_path: Path
) -> None:
    assert terminal.run_as_is(*command, "--state", str(tmp_path)) == 1

    assert "proctor up" in terminal.err
    assert len(terminal.err.splitlines()) == 1


def test_stopping_what_does_not_run_is_no_error(terminal: Terminal, tmp_path: Path) -> None:
    assert terminal.run_as_is("down", "--state", str(tmp_path)) == 0

    assert "No stack runs" in terminal.err


@pytest.mark.parametrize("words", [("--detach",), ("--detach", "--json"), ()])
def test_a_second_stack_in_the_same_folder_is_refused(
    words: tuple[str, ...], terminal: Terminal, folder: StateFolder
) -> None:
    with folder.held():
        assert terminal.run_as_is("up", *words, "--state", str(folder.path)) == 1

    assert "already up" in terminal.err
    assert terminal.out == ""


def test_a_models_file_that_is_not_there_is_a_sentence(terminal: Terminal, tmp_path: Path) -> None:
    state = str(tmp_path / "state")

    assert terminal.run_as_is("up", "--state", state, "--models", str(tmp_path / "gone.toml")) == 1

    assert "gone.toml" in terminal.err


def test_the_status_shows_every_part_and_whether_it_lives(
    terminal: Terminal, folder: StateFolder, described: StackDescription
) -> None:
    with folder.held():
        assert terminal.run_as_is("--state", str(folder.path), "status") == 0

    assert described.nats_url in terminal.out
    rows = [line.split("\t") for line in terminal.out.splitlines() if "\t" in line]
    assert any(row[0] == "gateway" and row[2] == "runs" for row in rows)
    assert any(row[0] == "grader" and row[2] == "ended" for row in rows)


def test_the_status_as_json_is_what_up_printed(
    terminal: Terminal, folder: StateFolder, described: StackDescription
) -> None:
    with folder.held():
        terminal.run_as_is("status", "--json", "--state", str(folder.path))

    assert json.loads(terminal.out) == described.as_json()


def test_address_and_key_come_from_the_running_stack(
    terminal: Terminal, folder: StateFolder, described: StackDescription
) -> None:
    with folder.held():
        terminal.run_as_is("--state", str(folder.path), "runs")

    assert terminal.fake.requests == ["GET /api/v1/llm/evals/runs"]


def test_the_local_key_is_never_sent_to_another_server(
    terminal: Terminal, folder: StateFolder, described: StackDescription
) -> None:
    words = ("--state", str(folder.path), "--base-url", "http://elsewhere", "runs")
    with folder.held():
        assert terminal.run_as_is(*words) == 1

    assert terminal.fake.requests == []
    assert "No API key" in terminal.err
