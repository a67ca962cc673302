import os
from pathlib import Path

from grader.jail.kept_roots import KEPT_S, in_use, remove_unused


def make_root(folder: Path, name: str, *, old: bool) -> Path:
    root = folder / f"root-{name}"
    (root / "usr").mkdir(parents=True)
    (root / "usr" / "file").write_text("x")
    (root / "usr").chmod(0o555)
    root.with_suffix(".cfg").write_text("config")
    root.with_suffix(".tried").write_text("passed")
    with in_use(root):
        pass
    if old:
        os.utime(root.with_suffix(".lock"), (0, KEPT_S))
    return root


def test_a_root_that_nobody_has_used_for_a_week_is_removed_with_all_that_belongs_to_it(
    tmp_path: Path,
) -> None:
    make_root(tmp_path, "old", old=True)

    remove_unused(tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_root_used_lately_is_kept(tmp_path: Path) -> None:
    root = make_root(tmp_path, "new", old=False)

    remove_unused(tmp_path)

    assert (root / "usr" / "file").exists()


def test_an_old_root_in_use_is_kept(tmp_path: Path) -> None:
    root = make_root(tmp_path, "old", old=True)

    with in_use(root):
        os.utime(root.with_suffix(".lock"), (0, KEPT_S))
        remove_unused(tmp_path)

    assert root.is_dir()


def make_layer(folder: Path, *, old: bool) -> Path:
    layer = folder / "libraries-x"
    layer.mkdir()
    (layer / "module.py").write_text("x")
    layer.chmod(0o555)
    if old:
        os.utime(layer, (0, 0))
    return layer


def test_libraries_that_no_root_has_any_more_are_removed(tmp_path: Path) -> None:
    layer = make_layer(tmp_path, old=True)
    root = make_root(tmp_path, "old", old=True)
    (root / "module.py").hardlink_to(layer / "module.py")

    remove_unused(tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_libraries_that_a_root_still_has_are_kept(tmp_path: Path) -> None:
    layer = make_layer(tmp_path, old=True)
    root = make_root(tmp_path, "new", old=False)
    (root / "module.py").hardlink_to(layer / "module.py")

    remove_unused(tmp_path)

    assert (layer / "module.py").exists()


def test_libraries_that_were_made_lately_are_kept_for_a_root_to_come(tmp_path: Path) -> None:
    layer = make_layer(tmp_path, old=False)

    remove_unused(tmp_path)

    assert layer.is_dir()
