"""Every known attack against real jails, as root and as a user without any rights."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from attacks.attack import Attack
from attacks.harness.client import Attacked, attacked_service
from attacks.harness.profiles import Profile
from attacks.known.register import ATTACKS, CATEGORIES
from attacks.table import Table

# The first of a profile may have to build the jails' root, the slowest takes its limits and the
# margin.
pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="session")
def attacked(profile: Profile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    folder: Path = tmp_path_factory.mktemp("attacked")
    with attacked_service(folder, profile) as service:
        yield service


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=lambda attack: attack.name)
def test_an_attack_ends_as_it_must_and_leaves_nothing_behind(
    attack: Attack, attacked: Attacked, profile: Profile, table: Table
) -> None:
    report = attacked.launch(attack.name)

    table[profile, attack.name] = report
    assert report.observed in attack.accepted, f"{attack.why}: {report}"
    assert report.faults == []


def test_there_are_attacks_of_every_category() -> None:
    assert len(ATTACKS) >= 300
    assert min(map(len, CATEGORIES.values())) >= 4
