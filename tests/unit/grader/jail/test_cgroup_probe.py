"""When control groups are used: decided by trying, over a kernel that keeps the kernel's rules."""

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from grader.jail.cgroup_probe import KernelFiles, probe_cgroups
from grader.jail.cgroups import CgroupsV1, CgroupsV2

V2 = "30 20 0:26 {root} /cg rw - cgroup2 cgroup2 rw\n"
V1 = (
    "31 20 0:27 / /v1/memory rw - cgroup c rw,memory\n32 20 0:28 / /v1/pids rw - cgroup c rw,pids\n"
)
OWN = Path("/cg/own")
ME = str(os.getpid())


def refused(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@dataclass
class Group:
    controllers: set[str]
    enabled: set[str] = field(default_factory=set)
    processes: set[str] = field(default_factory=set)


@dataclass
class FakeKernel:
    """Version 2 below /cg, whose root is the machine's; version 1 below /v1.

    `locked` folders belong to somebody else.
    """

    groups: dict[Path, Group]
    locked: tuple[Path, ...] = ()
    has_swap: bool = True

    def make(self, group: Path) -> None:
        self._permitted(group.parent)
        if group not in self.groups:
            self.groups[group] = Group(set(self._at(group.parent).enabled))

    def remove(self, group: Path) -> None:
        if self._at(group).processes or any(other.parent == group for other in self.groups):
            raise refused(errno.EBUSY)
        del self.groups[group]

    def read(self, file: Path) -> str:
        group = self._at(file.parent)
        texts: Mapping[str, str] = {
            "cgroup.controllers": " ".join(sorted(group.controllers)),
            "cgroup.subtree_control": " ".join(sorted(group.enabled)),
        }
        if file.parent != Path("/cg"):
            limits = dict.fromkeys([f"{name}.max" for name in group.controllers], "max")
            swap = {"memory.swap.max": "max"} if self._limits_swap(group) else {}
            texts = {**texts, **limits, **swap, "cgroup.type": "domain"}
        if file.is_relative_to("/v1"):
            texts = self._version_1(file.parent.relative_to("/v1").parts[0])
        if file.name not in texts:
            raise refused(errno.ENOENT)
        return texts[file.name]

    def write(self, file: Path, text: str) -> None:
        self._permitted(file.parent)
        group = self._at(file.parent)
        if file.name == "cgroup.procs":
            if group.enabled and file.parent != Path("/cg"):
                raise refused(errno.EBUSY)
            for other in self.groups.values():
                other.processes.discard(text)
            group.processes.add(text)
        else:
            wanted = {word.removeprefix("+") for word in text.split()}
            if not wanted <= group.controllers:
                raise refused(errno.ENOENT)
            if group.processes and file.parent != Path("/cg"):
                raise refused(errno.EBUSY)
            group.enabled |= wanted

    def _at(self, group: Path) -> Group:
        if group not in self.groups:
            raise refused(errno.ENOENT)
        return self.groups[group]

    def _permitted(self, group: Path) -> None:
        if group in self.locked:
            raise refused(errno.EROFS)

    def _limits_swap(self, group: Group) -> bool:
        return self.has_swap and "memory" in group.controllers

    def _version_1(self, controller: str) -> Mapping[str, str]:
        swap = {"memory.memsw.limit_in_bytes": "0"} if self.has_swap else {}
        return (
            {"pids.max": "max"} if controller == "pids" else {"memory.limit_in_bytes": "0"} | swap
        )


def delegated(*others: str, controllers: str = "cpu memory pids") -> FakeKernel:
    """A group of version 2 with this process and `others` in it."""
    offered = set(controllers.split())
    root = Group(offered, enabled=set(offered))
    return FakeKernel({Path("/cg"): root, OWN: Group(offered, processes={ME, *others})})


def proc(folder: Path, *, mounts: str = V2, own: str = "0::/own\n", root: str = "/") -> Path:
    (folder / "mountinfo").write_text(mounts.format(root=root))
    (folder / "cgroup").write_text(own)
    return folder


def test_a_delegated_group_is_used_and_the_service_moves_into_a_leaf_of_it(tmp_path: Path) -> None:
    kernel = delegated()

    found = probe_cgroups(proc=proc(tmp_path), files=kernel)

    assert found == CgroupsV2(parent=OWN / "proctor-jails", swap_is_counted=True)
    assert kernel.groups[OWN / "proctor-service"].processes == {ME}
    assert kernel.groups[OWN / "proctor-jails"].enabled == {"memory", "pids"}
    assert len(kernel.groups) == 4  # and nothing of the trial


def test_a_service_that_is_in_its_leaf_already_stays_there(tmp_path: Path) -> None:
    kernel = delegated()
    probe_cgroups(proc=proc(tmp_path), files=kernel)

    found = probe_cgroups(proc=proc(tmp_path, own="0::/own/proctor-service\n"), files=kernel)

    assert found == CgroupsV2(parent=OWN / "proctor-jails", swap_is_counted=True)
    assert kernel.groups[OWN / "proctor-service"].processes == {ME}


def test_the_own_group_is_found_where_a_part_of_the_tree_is_mounted(tmp_path: Path) -> None:
    kernel = delegated()

    found = probe_cgroups(proc=proc(tmp_path, root="/pods", own="0::/pods/own\n"), files=kernel)

    assert found == CgroupsV2(parent=OWN / "proctor-jails", swap_is_counted=True)


def test_swap_is_left_alone_where_the_kernel_does_not_count_it(tmp_path: Path) -> None:
    kernel = delegated()
    kernel.has_swap = False

    found = probe_cgroups(proc=proc(tmp_path), files=kernel)

    assert found == CgroupsV2(parent=OWN / "proctor-jails", swap_is_counted=False)


@pytest.mark.parametrize(
    "kernel",
    [
        pytest.param(delegated(controllers="hugetlb"), id="no controllers"),
        pytest.param(delegated(controllers="memory cpu"), id="one controller of two"),
        pytest.param(delegated("77"), id="another process in the group"),
    ],
)
def test_a_group_that_cannot_limit_jails_is_left_as_it_was(
    kernel: FakeKernel, tmp_path: Path
) -> None:
    processes = set(kernel.groups[OWN].processes)

    assert probe_cgroups(proc=proc(tmp_path), files=kernel) is None

    assert set(kernel.groups) == {Path("/cg"), OWN}
    assert kernel.groups[OWN].processes == processes
    assert not kernel.groups[OWN].enabled


def test_a_tree_that_is_mounted_read_only_is_not_used(tmp_path: Path) -> None:
    kernel = delegated()
    kernel.locked = (Path("/cg"), OWN)

    assert probe_cgroups(proc=proc(tmp_path), files=kernel) is None


def test_the_root_of_the_machine_is_not_changed_for_us(tmp_path: Path) -> None:
    kernel = FakeKernel({Path("/cg"): Group({"memory", "pids"}, processes={ME})})

    assert probe_cgroups(proc=proc(tmp_path, own="0::/\n"), files=kernel) is None

    assert not kernel.groups[Path("/cg")].enabled
    assert len(kernel.groups) == 1


def test_the_root_of_the_machine_is_used_where_it_has_its_controllers_in_its_children(
    tmp_path: Path,
) -> None:
    both = {"memory", "pids"}
    kernel = FakeKernel({Path("/cg"): Group(both, enabled=set(both), processes={ME, "1"})})

    found = probe_cgroups(proc=proc(tmp_path, own="0::/\n"), files=kernel)

    assert found == CgroupsV2(parent=Path("/cg/proctor-jails"), swap_is_counted=True)
    assert kernel.groups[Path("/cg")].processes == {ME, "1"}


def test_a_group_outside_of_our_namespace_is_nowhere(tmp_path: Path) -> None:
    kernel = delegated()

    assert probe_cgroups(proc=proc(tmp_path, own="0::/../own\n"), files=kernel) is None


def version_1() -> FakeKernel:
    folders = ("/v1/memory", "/v1/memory/own", "/v1/pids")
    return FakeKernel({Path(folder): Group(set()) for folder in folders})


def test_version_1_comes_first_where_both_are_mounted(tmp_path: Path) -> None:
    kernel = version_1()
    kernel.groups |= delegated().groups
    own = "4:memory:/own\n3:pids:/\n0::/own\n"

    found = probe_cgroups(proc=proc(tmp_path, mounts=V1 + V2, own=own), files=kernel)

    assert found == CgroupsV1(
        memory_mount=Path("/v1/memory"),
        memory_parent="own/proctor-jails",
        pids_mount=Path("/v1/pids"),
        pids_parent="proctor-jails",
        swap_is_counted=True,
    )
    assert kernel.groups[OWN].processes == {ME}


def test_version_2_is_used_where_version_1_is_not_ours(tmp_path: Path) -> None:
    kernel = version_1()
    kernel.groups |= delegated().groups
    kernel.locked = (Path("/v1/pids"),)
    own = "4:memory:/own\n3:pids:/\n0::/own\n"

    found = probe_cgroups(proc=proc(tmp_path, mounts=V1 + V2, own=own), files=kernel)

    assert isinstance(found, CgroupsV2)
    assert Path("/v1/memory/own/proctor-jails") not in kernel.groups


def test_a_machine_without_control_groups_has_none(tmp_path: Path) -> None:
    assert probe_cgroups(proc=proc(tmp_path, mounts="", own=""), files=delegated()) is None


def test_a_folder_that_is_no_control_group_is_none(tmp_path: Path) -> None:
    mounts = f"30 20 0:26 / {tmp_path} rw - cgroup2 cgroup2 rw\n"
    before = set(tmp_path.iterdir())

    found = probe_cgroups(proc=proc(tmp_path, mounts=mounts, own="0::/\n"), files=KernelFiles())

    assert found is None
    assert {path.name for path in set(tmp_path.iterdir()) - before} == {"mountinfo", "cgroup"}


def test_the_probe_of_this_machine_leaves_nothing_but_parents_behind() -> None:
    found = probe_cgroups()

    for parent in found.parents if found is not None else ():
        assert not list(parent.glob("probe-*"))
    if isinstance(found, CgroupsV1):
        assert not list(Path("/sys/fs/cgroup").glob("unified/**/proctor-*"))
