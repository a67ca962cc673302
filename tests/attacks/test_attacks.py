"""Every known attack against real jails, as root and as a user without any rights."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from attacks.attack import Attack
from attacks.harness.client import Attacked, attacked_service
from attacks.harness.profiles import Profile
from attacks.known.register import ATTACKS, CATEGORIES
from attacks.table import Table
from grader.domain.isolation import Isolation

# The first of a profile may have to build the jails' root, the slowest takes its limits and the
# margin.
pytestmark = pytest.mark.timeout(180)


class Services:
    """An attacked service for each profile and way of isolation, started when it is wanted."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self._running: dict[tuple[Profile, Isolation], Attacked] = {}

    def of(self, profile: Profile, isolation: Isolation) -> Attacked:
        """The one of this profile and isolation."""
        if (profile, isolation) not in self._running:
            service = attacked_service(self._folder, profile, isolation=isolation)
            self._running[profile, isolation] = self._stack.enter_context(service)
        return self._running[profile, isolation]


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with ExitStack() as stack:
        yield Services(stack, tmp_path_factory.mktemp("attacked"))


def test_an_attack_ends_as_it_must_and_leaves_nothing_behind(
    attack: Attack, isolation: Isolation, profile: Profile, services: Services, table: Table
) -> None:
    report = services.of(profile, isolation).launch(attack.name)

    table[profile, isolation, attack.name] = report
    assert report.observed in attack.accepted(isolation), f"{attack.why}: {report}"
    assert report.faults == []


def test_there_are_attacks_of_every_category() -> None:
    assert len(ATTACKS) >= 300
    assert min(map(len, CATEGORIES.values())) >= 4
