import pytest

from unit.cli.fake_api import KEY
from unit.cli.terminal import Terminal


def test_an_error_is_one_sentence_on_stderr_and_exit_code_1(terminal: Terminal) -> None:
    assert terminal.run("watch", "eval_run_9") == 1

    assert terminal.out == ""
    assert terminal.err == "Error: there is no eval_run_9 [404 not_found]\n"


def test_wrong_usage_ends_with_2(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    assert terminal.run("run") == 2

    assert "Missing argument" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        (), ("up",), ("down",), ("restart",), ("status",), ("demo",), ("version",), ("run",),
        ("watch",), ("runs",), ("results",), ("artifacts",), ("samples",), ("keys", "create"),
        ("keys", "list"), ("keys", "revoke"), ("files", "upload"), ("files", "list"),
        ("files", "get"), ("files", "delete"), ("suites", "create"), ("suites", "list"),
        ("suites", "show"), ("suites", "version"), ("grader",), ("grader", "test"),
    ],
)  # fmt: skip
def test_every_command_explains_itself(
    words: tuple[str, ...], terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    assert terminal.run_as_is(*words, "--help") == 0

    assert "Usage: proctor" in capsys.readouterr().out


def test_the_version_is_shown(terminal: Terminal) -> None:
    assert terminal.run_as_is("version") == 0

    assert terminal.out.strip()[0].isdigit()


def test_a_wrong_key_is_refused_in_the_servers_words(terminal: Terminal) -> None:
    assert terminal.run("runs", key="prk_wrong") == 1

    assert "the key is unknown" in terminal.err


def test_without_a_server_the_sentence_says_what_to_do(terminal: Terminal) -> None:
    assert terminal.run_as_is("runs") == 1

    assert "No stack runs" in terminal.err
    assert "proctor up" in terminal.err


def test_a_server_without_a_key_is_not_asked(terminal: Terminal) -> None:
    assert terminal.run_as_is("--base-url", "http://fake", "runs") == 1

    assert "--api-key" in terminal.err
    assert terminal.fake.requests == []


def test_address_and_key_come_from_the_environment(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROCTOR_BASE_URL", "http://fake")
    monkeypatch.setenv("PROCTOR_API_KEY", KEY)

    assert terminal.run_as_is("runs") == 0


def test_an_address_without_a_scheme_is_explained(terminal: Terminal) -> None:
    assert terminal.run_as_is("--base-url", "localhost:80", "--api-key", KEY, "runs") == 1

    assert "not an http or https address" in terminal.err
