import os
from pathlib import Path

import pytest

from localstack.errors import LocalStackError
from localstack.stack.folder import StackAlreadyUp, StateFolder


def test_a_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "a" / "b")

    folder.make()
    folder.make()

    assert folder.path.stat().st_mode & 0o777 == 0o700


def test_a_stack_s_folder_from_before_is_closed_to_others(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "state")
    log = folder.logs / "nats.log"
    folder.logs.mkdir(parents=True)
    log.write_text("")
    (folder.path / "up.lock").write_text("")
    for path, mode in ((folder.path, 0o755), (folder.logs, 0o755), (log, 0o644)):
        path.chmod(mode)

    folder.make()

    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert log.stat().st_mode & 0o777 == 0o600


def test_an_empty_folder_is_closed_to_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    StateFolder(tmp_path).make()

    assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_a_folder_of_other_things_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "something").write_text("")
    tmp_path.chmod(0o755)

    with pytest.raises(LocalStackError, match="not of a stack"):
        StateFolder(tmp_path).make()

    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_a_path_that_cannot_be_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(LocalStackError, match="file"):
        StateFolder(tmp_path / "file").make()


def test_a_folder_is_held_by_one_at_a_time_and_says_by_whom(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    assert folder.holder() is None

    with folder.held():
        assert folder.holder() == os.getpid()
        with pytest.raises(StackAlreadyUp, match=f"pid {os.getpid()}") as refusal, folder.held():
            pass
        assert str(tmp_path) in str(refusal.value)

    assert folder.holder() is None


def test_what_a_dead_holder_wrote_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "up.lock").write_text("1\n")

    assert StateFolder(tmp_path).holder() is None
    with StateFolder(tmp_path).held():
        assert StateFolder(tmp_path).holder() == os.getpid()


def test_a_secret_stays_the_same(tmp_path: Path) -> None:
    assert StateFolder(tmp_path).secret("a") == StateFolder(tmp_path).secret("a")
    assert StateFolder(tmp_path).secret("a") != StateFolder(tmp_path).secret("b")
