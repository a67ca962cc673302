"""The process that scores: what it is given, what it may not take, and how it ends."""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from blobstore.named import NamedObjects
from orchestrator.domain.embedding.chunks import Chunk, Part, VectorFailure
from orchestrator.domain.embedding.plan import Plan
from orchestrator.outbound.scoring import process, worker
from orchestrator.outbound.scoring.process import ScoringBroke, ScoringProcess
from orchestrator.ports.embedding import Scoring

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def objects(tmp_path: Path) -> NamedObjects:
    return NamedObjects.open(f"file://{tmp_path}", folder="runs")


async def stored(
    objects: NamedObjects, key: str, positions: Sequence[int], vectors: Sequence[Sequence[float]]
) -> Chunk:
    chunk = Chunk(
        run_id="run",
        key=key,
        part=Part.SAMPLES,
        positions=positions,
        dimensions=len(vectors[0]),
    )
    await objects.put(chunk.name, np.array(vectors, dtype="<f4").tobytes())
    return chunk


async def pairs(objects: NamedObjects, **changes: Any) -> Scoring:
    """Three pairs, the second of which has no vectors."""
    await objects.put("run/plan", Plan(facts=[1.0, None, 0.0, 0.5]).to_json())
    chunks = [
        await stored(objects, "a", [6, 7], [[1, 0], [1, 1]]),
        await stored(objects, "b", [0, 1, 4, 5], [[1, 0], [2, 0], [1, 0], [0, 1]]),
    ]
    given: dict[str, Any] = {
        "embedding_json": '{"kind": "sts"}',
        "plan": "run/plan",
        "indices": [0, 2, 3],
        "texts_per_sample": 2,
        "chunks": chunks,
    }
    return Scoring(**given | changes)


async def test_vectors_of_many_chunks_meet_their_samples(objects: NamedObjects) -> None:
    scored = await ScoringProcess(objects, at_once=1).score(await pairs(objects), team="team")

    assert not isinstance(scored, VectorFailure)
    metrics_json, samples = scored
    assert orjson.loads(metrics_json)["cosine_spearman"] == pytest.approx(1.0)
    assert [sample.sample_index for sample in samples] == [0, 2, 3]
    cosines = [orjson.loads(sample.scores_json)["cosine_similarity"] for sample in samples]
    assert cosines == pytest.approx([1, 0, 0.5**0.5], abs=1e-6)


async def test_a_sample_without_its_vectors_is_our_mistake_and_not_a_score(
    objects: NamedObjects,
) -> None:
    with pytest.raises(ScoringBroke, match="2 texts have no vector"):
        await ScoringProcess(objects, at_once=1).score(
            await pairs(objects, indices=[0, 1]), team="team"
        )


async def test_a_process_that_dies_is_no_score_either(
    objects: NamedObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_MODULE", "no.such.module")

    with pytest.raises(ScoringBroke, match="no"):
        await ScoringProcess(objects, at_once=1).score(await pairs(objects), team="team")


async def test_one_that_takes_too_long_is_ended_and_said_so(
    objects: NamedObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_SCORING_S_MAX", 0.01)

    scored = await ScoringProcess(objects, at_once=1).score(await pairs(objects), team="team")

    assert isinstance(scored, VectorFailure)
    assert scored.code == "grader_timeout"
    assert scorers() == []


async def test_a_cancelled_scoring_leaves_no_process_behind(objects: NamedObjects) -> None:
    scoring = await pairs(objects)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await ScoringProcess(objects, at_once=1).score(scoring, team="team")

    assert scorers() == []


@pytest.mark.parametrize("told", [b"", b"g"])
async def test_a_service_that_dies_takes_process_and_folder_with_it(
    tmp_path: Path, told: bytes
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    # Reading this blocks: nobody writes into it.
    os.mkfifo(folder / "job.json")
    command = f"{sys.executable} -m {process._MODULE} {folder}"
    service = await asyncio.create_subprocess_shell(
        f"(printf '{told.decode()}'; sleep 0.2) | {command}",
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.defpath},
    )

    async with asyncio.timeout(60):
        await service.wait()

    assert not folder.exists()


def test_one_that_needs_too_much_memory_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hungry(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(worker, "_scored", hungry)
    (tmp_path / "job.json").write_bytes(b'{"indices": []}')
    (tmp_path / "plan.json").write_bytes(b"{}")

    worker.score_folder(tmp_path)

    told = orjson.loads((tmp_path / "result.jsonl").read_bytes())
    assert told == {"failure": "scoring needs more than 4 GiB of memory", "code": "grader_oom"}


def scorers() -> list[str]:
    """Scoring processes that this process has."""
    own = f"/proc/{os.getpid()}/task/{os.getpid()}/children"
    found = []
    for child in Path(own).read_text().split():
        command = Path(f"/proc/{child}/cmdline")
        if command.exists() and b"scoring.worker" in command.read_bytes():
            found.append(child)
    return found
