from pathlib import Path

from grader.domain.isolation import Isolation
from grader.jail.cgroups import Cgroups, CgroupsV1, CgroupsV2
from grader.jail.config import JailSetup, jail_command, policy_path, render_config

GOLDEN = Path(__file__).parent / "golden"
CGROUPS = CgroupsV1(
    memory_mount=Path("/sys/fs/cgroup/memory"),
    memory_parent="a/proctor-jails",
    pids_mount=Path("/sys/fs/cgroup/pids"),
    pids_parent="proctor-jails",
    swap_is_counted=True,
)


def setup(cgroups: Cgroups | None) -> JailSetup:
    return JailSetup(
        nsjail=Path("/bin/nsjail"), config=Path("/roots/a.cfg"), memory_bytes=1024, cgroups=cgroups
    )


def test_the_configuration_is_the_one_that_was_reviewed() -> None:
    rendered = render_config(root=Path("/roots/a"), policy=Path("/policies/jail.kafel"))

    assert rendered == (GOLDEN / "jail.cfg").read_text()


def test_the_policy_is_the_one_that_was_reviewed() -> None:
    assert policy_path().read_text() == (GOLDEN / "jail.kafel").read_text()


def test_the_command_is_the_one_that_was_reviewed() -> None:
    command = jail_command(setup(CGROUPS), outside_uid=7, outside_gid=8, flavour="grade")

    assert list(command) == (GOLDEN / "command.txt").read_text().split()


def test_a_jail_is_told_at_its_start_what_its_executions_start_from() -> None:
    commands = [
        jail_command(
            setup(None), outside_uid=7, outside_gid=8, flavour="grade", isolation=isolation
        )
        for isolation in Isolation
    ]

    assert [command[-2:] for command in commands] == [
        ["grade", "fresh"],
        ["grade", "preload"],
        ["grade", "files"],
    ]


def test_without_control_groups_the_command_names_none() -> None:
    command = jail_command(setup(None), outside_uid=7, outside_gid=8, flavour="grade")

    assert not any("cgroup" in word for word in command)


def test_with_version_2_both_limits_are_in_one_place() -> None:
    cgroups = CgroupsV2(parent=Path("/sys/fs/cgroup/a/proctor-jails"), swap_is_counted=True)

    command = jail_command(setup(cgroups), outside_uid=7, outside_gid=8, flavour="grade")

    assert (
        " ".join(command)
        .partition(" -- ")[0]
        .endswith(
            "--use_cgroupv2 --cgroupv2_mount /sys/fs/cgroup/a/proctor-jails"
            " --cgroup_mem_max 1024 --cgroup_mem_swap_max 0 --cgroup_pids_max 384"
        )
    )


def test_swap_that_the_kernel_does_not_count_is_not_limited() -> None:
    flags = CgroupsV1(
        memory_mount=Path("/m"),
        memory_parent="p",
        pids_mount=Path("/p"),
        pids_parent="p",
        swap_is_counted=False,
    ).flags(memory_bytes=1, pids=2)

    assert "--cgroup_mem_swap_max" not in flags
