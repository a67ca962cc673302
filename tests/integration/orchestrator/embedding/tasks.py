"""One small task of each kind, and what its scores must be."""

import random
from typing import Any

from integration.orchestrator.world import World

WORDS = ["sun", "moon", "star", "rain", "snow", "wind", "leaf", "root", "bark", "seed"]


def sentences(count: int, *, seed: int, words: int = 4) -> list[str]:
    chance = random.Random(seed)  # noqa: S311 -- the same each time
    return [" ".join(chance.choices(WORDS, k=words)) for _ in range(count)]


def task(**embedding: Any) -> dict[str, Any]:
    return {
        "id": "task",
        "type": "embedding",
        "dataset": {"file_id": "file_rows", "format": "jsonl"},
        "embedding": embedding,
    }


def dataset(world: World, file_id: str, rows: list[dict[str, Any]]) -> dict[str, str]:
    world.importer.add_rows(file_id, rows, team=world.caller.team_id)
    return {"file_id": file_id, "format": "jsonl"}


def pairs(world: World, count: int) -> list[dict[str, Any]]:
    chance = random.Random(1)  # noqa: S311 -- the same each time
    rows = [
        {"sentence1": left, "sentence2": right, "score": chance.uniform(0, 5)}
        for left, right in zip(sentences(count, seed=2), sentences(count, seed=3), strict=True)
    ]
    dataset(world, "file_rows", rows)
    return rows


def labelled(count: int, *, seed: int) -> list[dict[str, Any]]:
    """Texts whose label is a word that many of them have."""
    chance = random.Random(seed)  # noqa: S311 -- the same each time
    rows = []
    for text in sentences(count, seed=seed + 100):
        label = chance.choice(["hot", "cold", "mild"])
        rows.append({"text": f"{text} {label if chance.random() < 0.7 else 'odd'}", "label": label})
    return rows
