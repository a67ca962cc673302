"""Which shared libraries an executable or extension module needs, asked of the dynamic loader."""

import re
import subprocess
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

_LIBRARY = re.compile(r"^\s+(?P<name>\S+) => (?P<path>/\S+) \(0x[0-9a-f]+\)$")
_LOADER = re.compile(r"^\s+(?P<path>/\S+) \(0x[0-9a-f]+\)$")
_ABSENT = re.compile(r"^\s+(?P<name>\S+) => not found$")
LDD_TIMEOUT_S = 30


class LibraryMissing(Exception):
    """A binary needs a shared library that this machine lacks, or `ldd` itself is not there."""


def needed_libraries(binaries: Collection[Path]) -> Mapping[str, Path]:
    """Files that must be in a root for all `binaries` to load.

    Path in the root to file on this machine.

    The loader keeps the place that is written into every executable; libraries are gathered where
    the C library lies, a folder the loader searches without a cache or an environment variable.
    Those that are among `binaries` themselves are found by their neighbours and come only once.

    Raises:
        LibraryMissing: something cannot be found.
    """
    own = {path.resolve() for path in binaries}
    output = _ldd(own)
    absent = sorted({match["name"] for match in map(_ABSENT.match, output) if match})
    if absent:
        raise LibraryMissing(
            f"the interpreter or a library of graders needs {', '.join(absent)}, which this machine"
            " lacks"
        )
    libraries = {
        match["name"]: Path(match["path"]) for match in map(_LIBRARY.match, output) if match
    }
    loaders = {match["path"] for match in map(_LOADER.match, output) if match}
    folder = next(
        (path.parent for name, path in libraries.items() if name.startswith("libc.")), None
    )
    if folder is None:
        raise LibraryMissing("the interpreter does not use a C library that ldd knows")
    placed = {
        str(folder / name): path.resolve()
        for name, path in libraries.items()
        if path.resolve() not in own
    }
    return placed | {loader: Path(loader).resolve() for loader in loaders}


def _ldd(binaries: Iterable[Path]) -> list[str]:
    command = ["ldd", *sorted(str(path) for path in binaries)]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter's files
            command, capture_output=True, check=True, text=True, timeout=LDD_TIMEOUT_S
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise LibraryMissing(f"ldd cannot list the interpreter's libraries: {error}") from error
    return done.stdout.splitlines()
