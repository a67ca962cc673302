import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from grader.jail.distributions import (
    DISTRIBUTIONS,
    PREIMPORTED,
    DistributionMissing,
    library_files,
    with_modules,
)

OTHER_PYTHON = 'python_version < "3.0"'


class Site:
    """A folder of installed distributions, on the path for the length of a test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def install(self, name: str, files: Mapping[str, bytes], requires: Sequence[str] = ()) -> None:
        about = self._folder / f"{name.replace('-', '_')}-1.0.dist-info"
        about.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0", "Provides-Extra: more"]
        lines += [f"Requires-Dist: {requirement}" for requirement in requires]
        (about / "METADATA").write_text("\n".join(lines) + "\n")
        (about / "RECORD").write_text("\n".join(f"{file},," for file in files))
        for file, content in files.items():
            place = self._folder / file
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    folder = tmp_path / "lib" / "site"
    folder.mkdir(parents=True)
    monkeypatch.syspath_prepend(str(folder))
    return Site(folder)


def modules(*names: str) -> set[str]:
    """Modules of these distributions that would be copied."""
    return {name for name in library_files(names) if name.endswith(".py")}


def test_a_library_brings_all_that_it_requires(site: Site) -> None:
    site.install("first", {"first.py": b""}, ["second>=0.1"])
    site.install("second", {"second.py": b""}, ["Third_One"])
    site.install("third-one", {"third.py": b""}, ["first"])

    assert modules("first") == {"first.py", "second.py", "third.py"}


def test_what_is_required_elsewhere_or_for_extras_stays_out(site: Site) -> None:
    elsewhere = f"absent; {OTHER_PYTHON}"
    site.install("first", {"first.py": b""}, [elsewhere, 'absent; extra == "more"'])

    assert modules("first") == {"first.py"}


def test_extras_that_a_requirement_names_count(site: Site) -> None:
    site.install("first", {"first.py": b""}, ["second[more]"])
    site.install("second", {"second.py": b""}, ['third; extra == "more"'])
    site.install("third", {"third.py": b""})

    assert modules("first") == {"first.py", "second.py", "third.py"}


def test_tests_scripts_headers_programs_and_records_stay_out(site: Site) -> None:
    left_out = [
        "../../bin/tool",
        "first/tests/test_it.py",
        "first/test/data.txt",
        "first/test_it.py",
        "first/it_test.py",
        "first/conftest.py",
        "first/include/first.h",
        "first/first.pyi",
        "first/libfirst.a",
        "first/run.sh",
        "first/__pycache__/it.cpython-311.pyc",
        "first-1.0.data/scripts/tool",
        "first.pth",
    ]
    files = dict.fromkeys(left_out, b"") | {
        "first/it.py": b"#!/usr/bin/python3\n",
        "first/words.txt": b"words",
        "first/tool": b"#!/bin/sh\n",
        "first/program": b"\x7fELF...",
        "first/fast.cpython-311-x86_64-linux-gnu.so": b"\x7fELF...",
        "first.libs/libfast-1.so.5": b"\x7fELF...",
    }
    site.install("first", files)

    assert library_files(["first"]).keys() == {
        "first/it.py",
        "first/words.txt",
        "first/fast.cpython-311-x86_64-linux-gnu.so",
        "first.libs/libfast-1.so.5",
        "first-1.0.dist-info/METADATA",
    }


def test_of_the_metadata_there_are_name_and_version(site: Site) -> None:
    site.install("first", {"first.py": b""}, [f"absent; {OTHER_PYTHON}"])

    metadata = library_files(["first"])["first-1.0.dist-info/METADATA"]

    assert metadata == b"Metadata-Version: 2.1\nName: first\nVersion: 1.0\n"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("absent", "the library absent, named by GRADER_LIBRARIES, is not installed"),
        ("", "not installed"),
        ("needs-absent", "the library absent, named by needs-absent, is not installed"),
        ("unreadable", "the library unreadable has a requirement that cannot be read: ???"),
    ],
)
def test_what_is_not_installed_is_refused_by_name(site: Site, name: str, says: str) -> None:
    site.install("needs-absent", {"first.py": b""}, ["absent"])
    site.install("unreadable", {"second.py": b""}, ["???"])

    with pytest.raises(DistributionMissing) as refused:
        library_files([name])

    assert says in str(refused.value)


def test_only_modules_that_are_there_are_imported_once() -> None:
    files = ["first/__init__.py", "single.py", "fast.cpython-311-x86_64-linux-gnu.so"]

    chosen = with_modules(files, ["single", "first.second", "absent", "fast"])

    assert chosen == ["fast", "first.second", "single"]


def test_the_default_libraries_are_complete_and_nothing_of_them_can_be_started() -> None:
    files = library_files(DISTRIBUTIONS)

    site_packages = Path(sysconfig.get_path("purelib"))
    programs = {path.name for path in Path(sys.executable).parent.iterdir()}
    assert {name.partition(".")[0] for name in PREIMPORTED} <= {
        name.partition("/")[0].partition(".")[0] for name in files
    }
    assert not [name for name in files if name.startswith(("..", "/")) or "/tests/" in name]
    assert not {Path(name).name for name in files} & (programs - {"python"})
    assert all(
        isinstance(source, bytes) or source.is_relative_to(site_packages)
        for source in files.values()
    )
