"""Every known attack against real jails, as root and as a user without any rights."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from attacks.attack import Attack
from attacks.harness.client import Attacked, attacked_service
from attacks.harness.profiles import Profile
from attacks.harness.service import Report
from attacks.known.register import ATTACKS, CATEGORIES

# The first of a profile may have to build the jails' root, the slowest takes its limits and the
# margin.
pytestmark = pytest.mark.timeout(180)

Table = dict[tuple[Profile, str], Report]


@pytest.fixture(scope="session")
def table(request: pytest.FixtureRequest) -> Iterator[Table]:
    """What was seen, printed at the end if asked for."""
    seen: Table = {}
    yield seen
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and request.config.getoption("--attack-table", default=False):
        reporter.write_line("")
        for line in _lines(seen):
            reporter.write_line(line)


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
    assert min(map(len, CATEGORIES.values())) >= 10


def _lines(seen: Table) -> Iterator[str]:
    yield f"{'category':12} {'attack':32} {'profile':13} {'expected':34} {'observed':18} {'s':>6}"
    for category, attacks in CATEGORIES.items():
        for attack in attacks:
            expected = " or ".join(sorted(attack.accepted))
            for (profile, name), report in seen.items():
                if name == attack.name:
                    observed = f"{report.observed}{' !' if report.faults else ''}"
                    yield (
                        f"{category:12} {name:32} {profile:13} {expected:34} {observed:18} "
                        f"{report.seconds:6.2f}"
                    )
    times = sorted(report.seconds for report in seen.values())
    if times:
        middle = times[len(times) // 2]
        yield f"{len(times)} attacks, {sum(times):.0f} s in all, {middle:.2f} s in the middle"
