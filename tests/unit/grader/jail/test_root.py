"""What lies in the root of jails; the jails themselves are tried in tests/integration."""

from pathlib import Path

import pytest

from grader.inside.runner.preimports import LIBRARIES, PREIMPORTED_LIST
from grader.jail.distributions import Libraries, is_binary
from grader.jail.root import Plan, listing_digest, root_plan

NONE = Libraries((), ())
NUMPY = Libraries(("numpy",), ("numpy", "sympy"))


@pytest.fixture(scope="module")
def plan() -> Plan:
    return root_plan(NUMPY)


@pytest.fixture(scope="module")
def bare() -> Plan:
    return root_plan(NONE)


def test_libraries_lie_in_a_folder_of_their_own(plan: Plan, bare: Plan) -> None:
    more = plan.keys() - bare.keys()

    assert f"{LIBRARIES}/numpy/__init__.py" in more
    others = {path for path in more if not path.startswith(f"{LIBRARIES}/")}
    assert all(is_binary(path) for path in others), "only shared libraries come besides"


def test_without_libraries_there_is_what_templates_need(bare: Plan) -> None:
    packages = {path.split("/")[2] for path in bare if path.startswith(f"{LIBRARIES}/")}

    assert {name for name in packages if "." not in name} == {"jinja2", "markupsafe"}


def test_a_shared_library_that_a_wheel_brought_stays_beside_it_and_comes_once(plan: Plan) -> None:
    brought = [path for path in plan if "openblas" in path]

    assert [Path(path).parent for path in brought] == [Path(LIBRARIES, "numpy.libs")]


def test_shared_libraries_of_the_system_come_along(plan: Plan) -> None:
    names = {Path(path).name for path in plan}

    assert "libc.so.6" in names
    assert "libstdc++.so.6" in names, "numpy needs it, the interpreter does not"


def test_the_list_of_what_is_imported_once_names_modules_that_are_there(plan: Plan) -> None:
    assert plan[PREIMPORTED_LIST] == b"numpy"


def test_another_choice_of_libraries_is_another_root(plan: Plan, bare: Plan) -> None:
    assert listing_digest(bare) == listing_digest(root_plan(NONE))
    assert listing_digest(bare) != listing_digest(plan)
    assert listing_digest({**bare, PREIMPORTED_LIST: b"x"}) != listing_digest(bare)
