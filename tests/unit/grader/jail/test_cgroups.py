import os
from pathlib import Path

from grader.jail.cgroups import CgroupsV1, CgroupsV2


def cgroups(folder: Path) -> CgroupsV1:
    for name in ("memory", "pids"):
        (folder / name / "jails").mkdir(parents=True)
    return CgroupsV1(
        memory_mount=folder / "memory",
        memory_parent="jails",
        pids_mount=folder / "pids",
        pids_parent="jails",
        swap_is_counted=False,
    )


def test_groups_left_behind_are_swept_once_they_are_old(tmp_path: Path) -> None:
    groups = cgroups(tmp_path)
    old, new = tmp_path / "memory/jails/NSJAIL.1", tmp_path / "pids/jails/NSJAIL.2"
    old.mkdir()
    new.mkdir()
    os.utime(old, (0, 0))

    groups.sweep()

    assert list(groups.groups()) == [new]


def test_a_group_in_use_stays(tmp_path: Path) -> None:
    groups = cgroups(tmp_path)
    used = tmp_path / "memory/jails/NSJAIL.1"
    (used / "a process").mkdir(parents=True)
    os.utime(used, (0, 0))

    groups.sweep()

    assert list(groups.groups()) == [used]


def test_groups_of_version_2_are_swept_as_well(tmp_path: Path) -> None:
    old, new = tmp_path / "NSJAIL.1", tmp_path / "NSJAIL.2"
    old.mkdir()
    new.mkdir()
    os.utime(old, (0, 0))
    groups = CgroupsV2(parent=tmp_path, swap_is_counted=False)

    groups.sweep()

    assert list(groups.groups()) == [new]
