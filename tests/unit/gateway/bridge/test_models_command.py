import json
from pathlib import Path

import pytest

from gateway.bridge.models_command import run_models_command

USABLE = """
[providers.a]
base_url = "https://models.example.com/v1"
api_key_env = "A_KEY"
[models.m]
provider = "a"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "models.toml"
    path.write_text(USABLE)
    return path


def test_a_file_that_works_is_passed_in_silence(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_models_command(["check", str(path)], {"A_KEY": "sk-1"}) == 0

    assert capsys.readouterr() == ("", "")


def test_one_problem_is_one_sentence(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_models_command(["check", str(path)], {}) == 1

    sentence = f"{path}: [providers.a] api_key_env: A_KEY is not set or is empty\n"
    assert capsys.readouterr().err == sentence


@pytest.mark.parametrize("environ", [{"A_KEY": "sk-secret"}, {}])
def test_models_are_listed_with_their_keys_presence_and_without_the_keys(
    path: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_models_command(["list", str(path)], environ) == 0

    printed = capsys.readouterr().out
    assert json.loads(printed) == {
        "id": "m",
        "api": "responses",
        "provider": "a",
        "base_url": "https://models.example.com/v1",
        "upstream_model": "m",
        "key_source": "A_KEY",
        "key_present": bool(environ),
    }
    assert "secret" not in printed


def test_several_problems_are_counted_and_listed(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_text('[models.m]\nprovider = "b"\n[models.n]\nprovider = "c"\n')

    assert run_models_command(["check", str(path)], {}) == 1

    assert capsys.readouterr().err.splitlines() == [
        f"{path} has 2 problems:",
        '[models."m"] provider: there is no [providers.b]',
        '[models."n"] provider: there is no [providers.c]',
    ]
