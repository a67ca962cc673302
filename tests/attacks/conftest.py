"""Options of the attacks."""

import os
from collections.abc import Iterator, Sequence

import pytest

from attacks.attack import Attack
from attacks.harness.profiles import Profile
from attacks.known.register import ATTACKS, TRIED_IN_EVERY_ISOLATION
from attacks.table import Table, table_lines
from grader.domain.isolation import Isolation

_TABLE = pytest.StashKey[Table]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options for `make attacks`; they exist when this folder is named on the command line."""
    parser.addoption("--attack-table", action="store_true", help="print a table of all attacks")
    parser.addoption(
        "--all-profiles", action="store_true", help="attack as root and as an unprivileged user"
    )
    parser.addoption(
        "--isolation",
        action="append",
        choices=list(Isolation),
        help="make all attacks in this way; unless given, all in `fresh` and a few in the others",
    )
    parser.addoption("--jails", default=300, help="how many jails the leak test starts and ends")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the attacks for each profile that this process can take on."""
    if "profile" in metafunc.fixturenames:
        own = Profile.ROOT if os.geteuid() == 0 else Profile.UNPRIVILEGED
        every = metafunc.config.getoption("--all-profiles", default=False)
        profiles = [own, Profile.UNPRIVILEGED] if every and own is Profile.ROOT else [own]
        metafunc.parametrize("profile", profiles, scope="session")
    if "attack" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--isolation", default=None)
        launched = list(_launched(chosen))
        names = [f"{isolation}-{attack.name}" for isolation, attack in launched]
        metafunc.parametrize(("isolation", "attack"), launched, ids=names)


def _launched(chosen: Sequence[str] | None) -> Iterator[tuple[Isolation, Attack]]:
    for isolation in Isolation if chosen is None else map(Isolation, chosen):
        everything = isolation is Isolation.FRESH or chosen is not None
        for attack in ATTACKS.values():
            if attack.makes_sense(isolation) and (
                everything or attack.only is not None or attack.name in TRIED_IN_EVERY_ISOLATION
            ):
                yield isolation, attack


@pytest.fixture(scope="session")
def table(request: pytest.FixtureRequest) -> Table:
    """What became of each attack, printed at the end if asked for."""
    return request.config.stash.setdefault(_TABLE, {})


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the table."""
    if config.getoption("--attack-table", default=False):
        for line in table_lines(config.stash.get(_TABLE, {})):
            terminalreporter.write_line(line)
