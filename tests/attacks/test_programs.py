"""Hostile programs, one a file: each ends as it must, and nothing around it notices."""

import ast
import asyncio
import resource
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from attacks.room import MIB, Room
from grader.domain.result import Graded
from grader.domain.strict_json import Json

PROGRAMS = Path(__file__).parent / "programs"

# Each program is graded over eight samples, of which one attacks; the others get honest scores.
GRADE = """


def grade(sample, item, ctx):
    if item["attack"]:
        return attack(ctx) if TAKES_CTX else attack()
    return sample["output_text"] == item["target"]
"""
HONEST = "def grade(sample, item):\n    return sample['output_text'] == item['target']\n"
NEIGHBOURS: list[dict[str, Json]] = [
    {"attack": False, "output": str(place), "target": str(place % 4)} for place in range(7)
]
HONEST_SCORES = [float(row["output"] == row["target"]) for row in NEIGHBOURS]
ATTACKER = 3


@dataclass(frozen=True)
class Attack:
    """One program and what must become of it."""

    name: str
    source: str
    expected: tuple[str, ...]
    score: float | None
    shows: str
    at_import: bool
    limit_s: int


def read_attack(path: Path) -> Attack:
    """The facts at the head of a program, read without running any of it."""
    text = path.read_text()
    facts = {
        str(node.targets[0].id): ast.literal_eval(node.value)
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id.isupper()
    }
    at_import = bool(facts.get("AT_IMPORT"))
    takes_ctx = f"\nTAKES_CTX = {bool(facts.get('TAKES_CTX'))}\n"
    return Attack(
        name=f"{path.parent.name}/{path.stem}",
        source=text + (HONEST if at_import else takes_ctx + GRADE),
        expected=facts["EXPECTED"],
        score=facts.get("SCORE"),
        shows=facts.get("SHOWS", ""),
        at_import=at_import,
        limit_s=facts.get("LIMIT_S", 1),
    )


ATTACKS = [read_attack(path) for path in sorted(PROGRAMS.glob("*/*.py"))]


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_an_attack_ends_as_expected_and_nobody_notices(
    attack: Attack, room: Room, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    canary.write_text("alive")
    memory_before = _memory_bytes()
    rows: list[dict[str, Json]] = [*NEIGHBOURS[:ATTACKER], {"attack": True}, *NEIGHBOURS[ATTACKER:]]
    started = time.monotonic()

    async with asyncio.TaskGroup() as both:
        attacked = both.create_task(
            room.grade(
                attack.source, rows, team="attacker", settings={"timeout_seconds": attack.limit_s}
            )
        )
        others = both.create_task(room.grade(HONEST, NEIGHBOURS * 5, team="victim"))
    took_s = time.monotonic() - started
    await room.settle()

    own, neighbours = _parted(attacked.result(), at_import=attack.at_import)
    assert {one.outcome for one in own} <= set(attack.expected), own
    if attack.score is not None:
        assert [dict(one.scores) for one in own] == [{"score": attack.score}]
    for one in own:
        told = f"{one.failure.message if one.failure else ''} {one.traceback}"
        assert attack.shows in told
    assert [dict(one.scores) for one in neighbours] == [
        {"score": score} for score in HONEST_SCORES[: len(neighbours)]
    ]
    assert [dict(one.scores) for one in others.result()] == [
        {"score": score} for score in HONEST_SCORES * 5
    ]
    assert room.left_behind() == []
    assert canary.read_text() == "alive"
    assert _memory_bytes() - memory_before < 64 * MIB
    assert took_s < (attack.limit_s * 4 if attack.at_import else attack.limit_s) + 10


def test_there_are_attacks_of_every_kind() -> None:
    kinds = {attack.name.split("/")[0] for attack in ATTACKS}

    assert kinds >= {"channel", "errors", "kernel", "network", "persistence", "process", "read"}
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)


def _parted(results: list[Graded], *, at_import: bool) -> tuple[list[Graded], list[Graded]]:
    if at_import:
        return results, []
    return [results[ATTACKER]], results[:ATTACKER] + results[ATTACKER + 1 :]


def _memory_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
