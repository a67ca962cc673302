"""What became of the attacks of a session, as a table for people."""

from collections.abc import Iterator

from attacks.harness.profiles import Profile
from attacks.harness.service import Report
from attacks.known.register import CATEGORIES
from grader.domain.isolation import Isolation

Table = dict[tuple[Profile, Isolation, str], Report]


def table_lines(seen: Table) -> Iterator[str]:
    """One line an attack and profile; an exclamation mark means that a promise was broken."""
    yield (
        f"{'category':12} {'attack':32} {'profile':13} {'isolation':10} {'expected':34} "
        f"{'observed':18} {'s':>6}"
    )
    for category, attacks in CATEGORIES.items():
        for attack in attacks:
            for (profile, isolation, name), report in seen.items():
                if name == attack.name:
                    expected = " or ".join(sorted(attack.accepted(isolation)))
                    observed = f"{report.observed}{' !' if report.faults else ''}"
                    yield (
                        f"{category:12} {name:32} {profile:13} {isolation:10} {expected:34} "
                        f"{observed:18} {report.seconds:6.2f}"
                    )
    times = sorted(report.seconds for report in seen.values())
    if times:
        middle = times[len(times) // 2]
        yield f"{len(times)} attacks, {sum(times):.0f} s in all, {middle:.2f} s in the middle"
