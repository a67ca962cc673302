"""Libraries for graders: what of which installed distributions goes into the root of jails."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, PackagePath, distribution
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

# What graders commonly ask for.
DISTRIBUTIONS = ("numpy", "rapidfuzz", "sacrebleu", "rouge-score", "sympy", "jinja2", "regex")
# All of them pay: docs/performance.md has what an import costs an execution, and an idle jail. Not
# numpy.random, whose one generator would give all samples the same numbers.
PREIMPORTED = (
    "jinja2",
    "numpy",
    "rapidfuzz",
    "rapidfuzz.distance",
    "rapidfuzz.fuzz",
    "rapidfuzz.process",
    "regex",
    "rouge_score.rouge_scorer",
    "sacrebleu",
    "sympy",
    "sympy.combinatorics",
    "sympy.physics.units.systems.si",
    "sympy.sets.setexpr",
)

# What nobody imports: sources of extension modules and what describes them, scripts, programs.
_LEFT_OUT_SUFFIXES = frozenset(
    ".a .bat .c .cc .cmd .cpp .cxx .dll .doctest .exe .f .f90 .h .hpp .hxx .la .lib .o .pxd .pxi"  # noqa: SIM905 - thirty lines otherwise
    " .pyc .pyd .pyf .pyi .pyo .pyx .sh".split()
)
_LEFT_OUT_PARTS = frozenset(["__pycache__", "conftest.py", "test", "tests"])
_LEFT_OUT_ROOTS = (".data", ".dist-info", ".egg-info", ".pth")
# How a program begins, whatever its name: for the kernel, or for a shell.
_PROGRAMS = (b"\x7fELF", b"#!")


@dataclass(frozen=True, slots=True)
class Libraries:
    """What graders can import besides the standard library.

    `distributions` by the names they are installed by, without versions: requirements.lock has
    those. `preimported` are modules of theirs that a jail imports once, when its program names
    their package, instead of in each execution again.
    """

    distributions: Sequence[str] = DISTRIBUTIONS
    preimported: Sequence[str] = PREIMPORTED


class DistributionMissing(Exception):
    """A library that graders are to have cannot be put into jails; the sentence says which."""


def library_files(names: Iterable[str]) -> Mapping[str, Path | bytes]:
    """Files of the distributions `names` and of all that they require.

    Place, relative to a folder on Python's path, to file on this machine or content. Extension
    modules and the shared libraries that a wheel brought along keep their places, by which they
    find each other. Of the metadata there are name and version.

    Raises:
        DistributionMissing: one is not installed, or what it consists of is not recorded.
    """
    files: dict[str, Path | bytes] = {}
    for name, found in sorted(_closure(names).items()):
        if found.files is None:
            raise DistributionMissing(
                f"the library {name} has no record of its files: install it from a wheel"
            )
        files |= {file.as_posix(): path for file, path in _kept(found.files)}
        about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {found.version}\n"
        folder = f"{name.replace('-', '_')}-{found.version}.dist-info"
        files[f"{folder}/METADATA"] = about.encode()
    return files


def with_modules(files: Iterable[str], modules: Iterable[str]) -> Sequence[str]:
    """Those of `modules` whose package is among `files`."""
    packages = {file.partition("/")[0].partition(".")[0] for file in files}
    return sorted(name for name in modules if name.partition(".")[0] in packages)


def is_binary(name: str) -> bool:
    """Whether a file of this name is an extension module or a shared library."""
    return name.endswith(".so") or ".so." in name


def _closure(names: Iterable[str]) -> Mapping[str, Distribution]:
    """All distributions by name; a requirement's marker and the extras that it asks for count."""
    found: dict[str, Distribution] = {}
    wanted = {(canonicalize_name(name), "", "GRADER_LIBRARIES") for name in names}
    seen: set[tuple[str, str]] = set()
    while wanted:
        name, extra, asked_by = wanted.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        found[name] = found.get(name) or _installed(name, asked_by)
        for requirement in _requirements(found[name], extra):
            required = canonicalize_name(requirement.name)
            wanted |= {(required, more, name) for more in ("", *requirement.extras)}
    return found


def _installed(name: str, asked_by: str) -> Distribution:
    try:
        return distribution(name)
    except (PackageNotFoundError, ValueError) as error:
        raise DistributionMissing(
            f"the library {name}, named by {asked_by}, is not installed: install it beside the"
            " grader (it must be in requirements.lock), or take it out of GRADER_LIBRARIES"
        ) from error


def _requirements(found: Distribution, extra: str) -> Iterator[Requirement]:
    for text in found.requires or ():
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise DistributionMissing(
                f"the library {found.name} has a requirement that cannot be read: {text}"
            ) from error
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield requirement


def _kept(files: Iterable[PackagePath]) -> Iterator[tuple[PackagePath, Path]]:
    for file in files:
        if ".." in file.parts or file.is_absolute() or file.parts[0].endswith(_LEFT_OUT_ROOTS):
            continue
        if _LEFT_OUT_PARTS.intersection(file.parts) or _is_test(file.name):
            continue
        path = Path(str(file.locate()))
        if file.suffix.lower() in _LEFT_OUT_SUFFIXES or not path.is_file():
            continue
        if file.suffix == ".py" or is_binary(file.name) or not _is_program(path):
            yield file, path


def _is_test(name: str) -> bool:
    return name.endswith("_test.py") or (name.startswith("test_") and name.endswith(".py"))


def _is_program(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4).startswith(_PROGRAMS)
