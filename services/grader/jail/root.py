"""The file system of every jail.

An interpreter, the standard library, the code of `grader.inside` and the libraries that the
operator chose for graders, read-only.

Built once from the interpreter that runs the service, whatever made it (a distribution, pyenv, a
virtual environment), and named by a digest of its content, so a new release or another Python gets
another root.
"""

import hashlib
import importlib.util
import os
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from grader.inside.runner.preimports import LIBRARIES, PREIMPORTED_LIST
from grader.jail.distributions import Libraries, is_binary, library_files, with_modules
from grader.jail.libraries import needed_libraries

# Raised when the way of building changes what lies in the root but not the list of its sources.
LAYOUT = 2

PYTHON = "/usr/bin/python3"
APP = "/app"
EMPTY_FOLDERS = ("/tmp", "/dev")  # noqa: S108 - places inside the root
EMPTY_FILES = ("/dev/null", "/dev/urandom")

# Tests, tools for people and what describes the machine the interpreter was built on.
_LEFT_OUT = frozenset(
    [
        "__pycache__",
        "config",
        "curses",
        "dist-packages",
        "distutils",
        "ensurepip",
        "idle_test",
        "idlelib",
        "lib2to3",
        "msilib",
        "pydoc_data",
        "site-packages",
        "test",
        "tests",
        "tkinter",
        "turtle.py",
        "turtledemo",
        "venv",
    ]
)
_LEFT_OUT_BEGINNINGS = [
    "_sysconfigdata",
    "config-",
    "_test",
    "_xx",
    "xx",
    "_ctypes_test",
    "_curses",
    "_dbm",
    "_gdbm",
    "_tkinter",
    "nis",
    "ossaudiodev",
    "readline",
    "spwd",
]
_KEPT_SUFFIXES = (".py", ".so")
# The prepare flavour's own need, whatever the operator chose for graders.
_OWN_LIBRARIES = ("jinja2",)
COMPILE_TIMEOUT_S = 600

Plan = Mapping[str, Path | bytes]
"""Absolute path in the root to the file that it is copied from, or to its content."""


class RootUnusable(Exception):
    """The folder for roots cannot be used; the sentence says why and what to do."""


def build_root(folder: Path, libraries: Libraries) -> Path:
    """Find or make the root of this interpreter and `libraries` in `folder`; returns its path.

    Appears under its name in one step and complete, also when several services start at once. Roots
    with the same libraries share their files, which are most of a root, on the disk and in memory.

    Raises:
        RootUnusable: the folder cannot be written, or jails could not enter it.
        LibraryMissing: shared libraries of the interpreter or of `libraries` cannot be found.
        DistributionMissing: one of `libraries` is not installed.
    """
    _own_folder(folder)
    plan = root_plan(libraries)
    name = f"root-{listing_digest(plan)}"
    if (folder / name).is_dir():
        return folder / name
    shared = {path: source for path, source in plan.items() if _is_shared(path)}
    own = {path: source for path, source in plan.items() if not _is_shared(path)}
    layer = _built(folder, f"libraries-{listing_digest(shared)}", lambda root: _fill(root, shared))
    return _built(folder, name, lambda root: _fill(root, own, layer))


def remove_root(root: Path) -> None:
    """Delete a root or a draft of one; nothing happens when there is none."""
    for path, _, _ in os.walk(root):
        Path(path).chmod(0o755)
    shutil.rmtree(root, ignore_errors=True)


def root_plan(libraries: Libraries) -> Plan:
    """Everything that belongs in the root.

    Raises:
        LibraryMissing, DistributionMissing: as for `build_root`.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = Path(os.__file__).parent
    plan: dict[str, Path | bytes] = {PYTHON: Path(sys._base_executable).resolve()}  # type: ignore[attr-defined]  # noqa: SLF001 - the interpreter below a virtual environment has no other name
    plan |= {
        f"/usr/{sys.platlibdir}/{version}/{name}": path for name, path in _python_files(library)
    }
    # sysconfig wants it, and pydoc wants sysconfig.
    machine = sysconfig._get_sysconfigdata_name()  # type: ignore[attr-defined]  # noqa: SLF001
    plan[f"/usr/{sys.platlibdir}/{version}/{machine}.py"] = b"build_time_vars = {}\n"
    extensions = sysconfig.get_config_var("DESTSHARED")
    if extensions and not Path(extensions).is_relative_to(library):
        plan |= {
            f"/usr/{sys.platlibdir}/{version}/lib-dynload/{name}": path
            for name, path in _python_files(Path(extensions))
        }
    plan |= {
        f"{APP}/grader/inside/{name}": path
        for name, path in _python_files(_package("grader.inside"))
    }
    plan[f"{APP}/grader/__init__.py"] = b""
    files = library_files((*_OWN_LIBRARIES, *libraries.distributions))
    plan |= {f"{LIBRARIES}/{name}": source for name, source in files.items()}
    plan[PREIMPORTED_LIST] = "\n".join(with_modules(files, libraries.preimported)).encode()
    plan.update(needed_libraries(_binaries(plan)))
    plan.update(dict.fromkeys(EMPTY_FILES, b""))
    return plan


def listing_digest(plan: Plan) -> str:
    """Digest of a root's content: the same files give the same name on every machine."""
    digest = hashlib.sha256(f"{LAYOUT} {sys.implementation.cache_tag}\n".encode())
    for path, source in sorted(plan.items()):
        content = source if isinstance(source, bytes) else source.read_bytes()
        digest.update(f"{hashlib.sha256(content).hexdigest()} {path}\n".encode())
    return digest.hexdigest()[:32]


def _binaries(plan: Plan) -> list[Path]:
    return [
        source
        for path, source in plan.items()
        if isinstance(source, Path) and (path == PYTHON or is_binary(source.name))
    ]


def _own_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as error:
        raise RootUnusable(f"the folder for jail roots cannot be made: {error}") from error
    if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise RootUnusable(
            f"{folder} must belong to this user and be writable by nobody else; choose another"
        )
    closed = [
        path
        for path in (folder, *folder.resolve().parents)
        if not path.stat().st_mode & stat.S_IXOTH
    ]
    if os.geteuid() == 0 and closed:
        raise RootUnusable(
            f"jails run as other users, who cannot enter {closed[0]}: make it o+x or choose another"
            " folder for the roots of jails"
        )


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    assert spec is not None  # noqa: S101 - a dependency of this very package
    assert spec.origin is not None  # noqa: S101
    return Path(spec.origin).parent


def _python_files(folder: Path) -> Iterator[tuple[str, Path]]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _left_out(name)]
        for name in names:
            path = Path(parent, name)
            if path.suffix in _KEPT_SUFFIXES and not _left_out(name):
                yield path.relative_to(folder).as_posix(), path.resolve()


def _left_out(part: str) -> bool:
    return part in _LEFT_OUT or part.startswith(tuple(_LEFT_OUT_BEGINNINGS))


def _is_shared(path: str) -> bool:
    return path.startswith(f"{LIBRARIES}/") and path != PREIMPORTED_LIST


def _built(folder: Path, name: str, fill: Callable[[Path], None]) -> Path:
    """Make what is not there yet, out of sight until it is complete."""
    place = folder / name
    if not place.is_dir():
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=folder))
        try:
            fill(draft)
            draft.rename(place)
        except OSError:
            if not place.is_dir():
                raise
        finally:
            remove_root(draft)
    return place


def _fill(root: Path, plan: Plan, layer: Path | None = None) -> None:
    for path, source in plan.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(source, bytes):
            place.write_bytes(source)
        else:
            shutil.copyfile(source, place)
        place.chmod(0o555 if _is_executed(path) else 0o444)
    for path in EMPTY_FOLDERS:
        (root / path.lstrip("/")).mkdir(exist_ok=True)
    # Some libraries carry files for other versions of Python, which nobody imports here.
    _compile(root, strict=layer is not None)
    if layer is not None:
        _link(layer, root)
    for folder, _, names in os.walk(root):
        for name in names:
            if name.endswith(".pyc"):
                (Path(folder) / name).chmod(0o444)
        Path(folder).chmod(0o555)


def _is_executed(path: str) -> bool:
    """Whether the kernel starts it as a program: the interpreter, and the loader it asks for."""
    return path == PYTHON or PurePosixPath(path).name.startswith("ld-")


def _link(layer: Path, root: Path) -> None:
    for folder, _, names in os.walk(layer):
        place = root / Path(folder).relative_to(layer)
        place.mkdir(exist_ok=True)
        for name in names:
            (place / name).hardlink_to(Path(folder, name))


def _compile(root: Path, *, strict: bool) -> None:
    """Byte code beside every source in a root, made on all cores.

    Of the kind that is believed without a look at the source, whose times differ from machine to
    machine.
    """
    command = [sys.executable, "-I", "-W", "ignore", "-m", "compileall", "-q", "-q", "-j", "0"]
    command += ["--invalidation-mode", "unchecked-hash", "-s", str(root), "-p", "/"]
    subprocess.run(  # noqa: S603 - our own interpreter
        [*command, str(root)],
        check=strict,
        timeout=COMPILE_TIMEOUT_S,
    )
