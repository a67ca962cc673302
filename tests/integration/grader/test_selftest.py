"""A grader must refuse to serve when a part of its jail does not work, and say which."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from attacks.room import MIB, UID_FIRST, Room, open_room
from grader.jail.cgroups import CgroupsV1
from grader.jail.config import JailSetup, policy_path, render_config
from grader.jail.selftest import SelfTestFailed, self_test
from grader.jail.uids import Uids

Break = Callable[[JailSetup, Path], JailSetup]


def with_config(change: Callable[[str], str]) -> Break:
    """A jail whose configuration was changed."""

    def broken(setup: JailSetup, folder: Path) -> JailSetup:
        config = folder / "jail.cfg"
        config.write_text(change(setup.config.read_text()))
        return replace(setup, config=config)

    return broken


def with_policy(change: Callable[[str], str]) -> Break:
    """A jail whose system call policy was changed."""

    def broken(setup: JailSetup, folder: Path) -> JailSetup:
        policy = folder / "jail.kafel"
        policy.write_text(change(policy_path().read_text()))
        config = folder / "jail.cfg"
        config.write_text(render_config(root=setup.config.with_suffix(""), policy=policy))
        return replace(setup, config=config)

    return broken


def without_nsjail(setup: JailSetup, folder: Path) -> JailSetup:
    return replace(setup, nsjail=folder / "nsjail")


def with_foreign_cgroups(setup: JailSetup, folder: Path) -> JailSetup:
    cgroups = CgroupsV1(
        memory_mount=folder,
        memory_parent="absent",
        pids_mount=folder,
        pids_parent="absent",
        swap_is_counted=False,
    )
    return replace(setup, cgroups=cgroups)


def allowing(name: str) -> Callable[[str], str]:
    """A policy that allows one system call more."""
    return lambda policy: policy.replace(f" {name},", " ", 1).replace(
        "read, readv,", f"read, readv, {name},", 1
    )


async def passes(setup: JailSetup) -> None:
    await self_test(setup, Uids(first=UID_FIRST, count=1), memory_bytes=512 * MIB)


@pytest.fixture
async def room() -> Room:
    async with open_room() as room:
        return room


async def test_a_jail_whose_guards_hold_passes(room: Room) -> None:
    await passes(room.setup)


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        pytest.param(without_nsjail, "nsjail is missing", id="nsjail is missing"),
        pytest.param(
            with_policy(lambda text: text.replace("ptrace", "ptrac")),
            "the system call policy (jail.kafel) is broken",
            id="the policy does not compile",
        ),
        pytest.param(
            with_policy(allowing("ptrace")),
            "ptrace did not end its process",
            id="the policy lets ptrace through",
        ),
        pytest.param(
            with_policy(allowing("socket")),
            "does not hold back: network, sockets",
            id="the policy lets sockets through",
        ),
        pytest.param(
            with_config(lambda text: text.replace("keep_env: false", "keep_env: true")),
            "does not hold back: environment",
            id="the environment is passed on",
        ),
        pytest.param(
            with_config(lambda text: text.replace('dst: "/tmp"', 'dst: "/absent"')),
            "file system cannot be mounted",
            id="a mount fails",
        ),
        pytest.param(with_foreign_cgroups, "control groups cannot be used", id="no cgroups"),
    ],
)
async def test_a_jail_with_a_broken_part_is_refused_by_its_name(
    room: Room, tmp_path: Path, broken: Break, says: str
) -> None:
    with pytest.raises(SelfTestFailed) as failed:
        await passes(broken(room.setup, tmp_path))

    assert says in str(failed.value)
