import stat
from pathlib import Path

from localstack.secrets import secret_from, write_private


def test_a_secret_is_made_once(tmp_path: Path) -> None:
    first = secret_from(tmp_path / "a")

    assert secret_from(tmp_path / "a") == first
    assert secret_from(tmp_path / "b") != first
    assert len(first) >= 43


def test_a_private_file_is_readable_by_its_owner_only_and_leaves_no_half(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "secret"

    write_private(path, "one")
    write_private(path, "two")

    assert path.read_text() == "two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["secret"]
