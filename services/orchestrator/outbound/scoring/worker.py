"""The process that scores one group: reads a folder, writes one file into it, ends.

It talks to nobody and knows no secret. Vectors are mapped from files, so what it holds in memory is
what it is working on.
"""

import os
import resource
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from orchestrator.domain.embedding.labels import score_label_lists, score_labels
from orchestrator.domain.embedding.pairs import score_pairs
from orchestrator.domain.embedding.ranking import Corpus, score_ranking
from orchestrator.domain.embedding.scores import GroupScores, GroupUnusable, SampleScore, Vectors
from orchestrator.outbound.scoring.folder import GO, JOB, PLAN, RESULT, SAMPLES, SHARED

# Of what it computes with; vectors are mapped and do not count.
MEMORY_BYTES_MAX = 4 << 30

Facts = Mapping[str, Any]


def score_folder(folder: Path) -> None:
    """Score the group that `folder` describes and leave the result there."""
    job = orjson.loads((folder / JOB).read_bytes())
    plan = orjson.loads((folder / PLAN).read_bytes())
    try:
        lines = _lines(job["indices"], _scored(folder, job, plan))
    except GroupUnusable as error:
        lines = iter([orjson.dumps({"failure": str(error), "code": "grader_error"})])
    except MemoryError:
        said = f"scoring needs more than {MEMORY_BYTES_MAX >> 30} GiB of memory"
        lines = iter([orjson.dumps({"failure": said, "code": "grader_oom"})])
    with (folder / RESULT).open("wb") as result:
        for line in lines:
            result.write(line + b"\n")


def _scored(folder: Path, job: Facts, plan: Facts) -> GroupScores:
    embedding, dimensions = job["embedding"], job["dimensions"]
    samples = _vectors(folder / SAMPLES, dimensions)
    shared = _vectors(folder / SHARED, dimensions)
    facts = [plan["facts"][index] for index in job["indices"]]
    places: Sequence[int] = job["shared_places"]
    match embedding["kind"]:
        case "sts":
            return score_pairs(samples[0::2], samples[1::2], facts)
        case "classification" | "multilabel_classification":
            return _classified(embedding, plan, samples, shared, places, facts)
        case kind:
            if not places:
                raise GroupUnusable("no document has a vector")
            candidates = plan["candidates"]
            return score_ranking(
                kind,
                samples,
                Corpus(shared, [plan["documents"][place] for place in places]),
                relevance=[plan["relevance"][query] for query in facts],
                candidates=candidates and [candidates[query] for query in facts],
                k_values=embedding["k_values"],
            )


def _classified(
    embedding: Facts,
    plan: Facts,
    samples: Vectors,
    shared: Vectors,
    places: Sequence[int],
    facts: Sequence[Any],
) -> GroupScores:
    row = {place: number for number, place in enumerate(places)}
    labels = [plan["training_labels"][place] for place in places]
    # Rows that the provider refused are missing from every draw.
    draws = [[row[place] for place in draw if place in row] for draw in plan["draws"]]
    if embedding["kind"] == "multilabel_classification":
        return score_label_lists(
            samples, facts, training=shared, training_labels=labels, draws=draws
        )
    return score_labels(
        samples,
        facts,
        training=shared,
        training_labels=labels,
        draws=draws,
        seed=embedding["seed"],
    )


def _vectors(path: Path, dimensions: int) -> Vectors:
    if not path.exists() or not path.stat().st_size:
        return np.zeros((0, dimensions), dtype=np.float32)
    return np.memmap(path, dtype=np.float32, mode="r").reshape(-1, dimensions)


def _lines(indices: Sequence[int], scored: GroupScores) -> Iterator[bytes]:
    yield orjson.dumps({"metrics": dict(scored.metrics)})
    for index, sample in zip(indices, scored.samples, strict=True):
        yield orjson.dumps(_line(index, sample))


def _line(index: int, sample: SampleScore) -> dict[str, object]:
    return {
        "index": index,
        "scores": dict(sample.scores),
        "extracted": sample.extracted,
        "details": dict(sample.details),
    }


def main(folder: Path) -> None:
    """Score `folder` when told to; a service that dies takes process and folder with it."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    if sys.stdin.buffer.read(len(GO)) != GO:
        shutil.rmtree(folder, ignore_errors=True)
        return
    threading.Thread(target=_end_with_service, args=(folder,), daemon=True).start()
    score_folder(folder)


def _end_with_service(folder: Path) -> None:
    # Not the buffered reader: its lock would keep the process from ending by itself.
    os.read(sys.stdin.fileno(), 1)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
