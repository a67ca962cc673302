"""Starts the process that scores a group, hands it the vectors, and reads what it found."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import orjson

from orchestrator.domain.embedding.chunks import Chunk, Part, VectorFailure
from orchestrator.outbound.scoring.folder import GO, JOB, PLAN, RESULT, SAMPLES, SHARED
from orchestrator.ports.embedding import RunObjects, ScoredSample, Scoring
from servicekit.turns import Turns

_MODULE = "orchestrator.outbound.scoring.worker"

# The largest group that is allowed, 50,000 x 8,192 numbers, takes minutes.
_SCORING_S_MAX = 3600.0
_ERROR_BYTES_MAX = 64 * 1024

# One core each: the others are for the service, and sums are the same on every machine size.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

_MODEL_ERROR = "model_error"


class ScoringBroke(RuntimeError):
    """The scoring process ended without a result: our failure, and the shard is tried again."""


class ScoringProcess:
    """Scores groups in processes of their own.

    Args:
        objects: Where plans and vectors lie.
        at_once: Processes at a time; a team that has none gets one more.
    """

    def __init__(self, objects: RunObjects, *, at_once: int) -> None:
        self._objects = objects
        self._turns = Turns(at_once)

    async def score(
        self, scoring: Scoring, *, team: str
    ) -> tuple[bytes, Sequence[ScoredSample]] | VectorFailure:
        """Return the metrics of a group and its samples, or why there are none.

        Raises:
            ScoringBroke: the process died.
        """
        dimensions = {chunk.dimensions for chunk in scoring.chunks if chunk.positions}
        if len(dimensions) != 1:
            lengths = ", ".join(map(str, sorted(dimensions)[:5]))
            message = f"the model gave vectors of different lengths: {lengths}"
            return VectorFailure(code=_MODEL_ERROR, message=message)
        async with self._turns.place(team):
            folder = await asyncio.to_thread(TemporaryDirectory, prefix="proctor-scoring-")
            try:
                async with _worker(Path(folder.name)) as process:
                    await self._lay_out(Path(folder.name), scoring, next(iter(dimensions)))
                    if not await _let_score(process):
                        message = f"scoring took longer than {_SCORING_S_MAX:g} s"
                        return VectorFailure(code="grader_timeout", message=message)
                return await asyncio.to_thread(_result, Path(folder.name))
            finally:
                await asyncio.shield(asyncio.to_thread(folder.cleanup))

    async def _lay_out(self, folder: Path, scoring: Scoring, dimensions: int) -> None:
        per_sample = scoring.texts_per_sample
        wanted = [
            index * per_sample + text for index in scoring.indices for text in range(per_sample)
        ]
        shared = sorted(
            {
                place
                for chunk in scoring.chunks
                if chunk.part is Part.SHARED
                for place in chunk.positions
            }
        )
        for part, name, places in (
            (Part.SAMPLES, SAMPLES, wanted),
            (Part.SHARED, SHARED, shared),
        ):
            chunks = [chunk for chunk in scoring.chunks if chunk.part is part]
            await self._gather(folder / name, chunks, places, dimensions)
        job = {
            "embedding": orjson.loads(scoring.embedding_json),
            "dimensions": dimensions,
            "indices": list(scoring.indices),
            "shared_places": shared,
        }
        plan = await self._objects.get(scoring.plan)
        await asyncio.to_thread((folder / JOB).write_bytes, orjson.dumps(job))
        await asyncio.to_thread((folder / PLAN).write_bytes, plan)

    async def _gather(
        self, path: Path, chunks: Sequence[Chunk], places: Sequence[int], dimensions: int
    ) -> None:
        """Put the vectors of texts at `places` into one file, in that order."""
        if not places:
            return
        row = {place: number for number, place in enumerate(places)}
        missing = set(places)
        for chunk in chunks:
            if not missing.isdisjoint(chunk.positions):
                content = await self._objects.get(chunk.name)
                await asyncio.to_thread(_place, path, chunk, content, row, dimensions)
                missing.difference_update(chunk.positions)
        if missing:
            raise ScoringBroke(f"{len(missing)} texts have no vector")


def _place(path: Path, chunk: Chunk, content: bytes, row: dict[int, int], dimensions: int) -> None:
    vectors = np.frombuffer(content, dtype="<f4").reshape(len(chunk.positions), dimensions)
    shape = (len(row), dimensions)
    if path.exists():
        mapped = np.memmap(path, dtype="<f4", mode="r+", shape=shape)
    else:
        mapped = np.memmap(path, dtype="<f4", mode="w+", shape=shape)
    known = [number for number, place in enumerate(chunk.positions) if place in row]
    mapped[[row[chunk.positions[number]] for number in known]] = vectors[known]
    mapped.flush()


@asynccontextmanager
async def _worker(folder: Path) -> AsyncIterator[Process]:
    """Start the process, which waits to be told; it is gone when the block is left."""
    environment = dict.fromkeys(_THREADS, "1") | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", _MODULE, str(folder)),
        env=environment,
        stdin=PIPE,
        stdout=DEVNULL,
        stderr=PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await asyncio.shield(process.wait())


async def _let_score(process: Process) -> bool:
    """Tell the process that its folder is complete; return whether it ended in time."""
    assert process.stdin is not None  # noqa: S101 -- it is a pipe
    # It stays open: when it closes before the process has ended, this one has died.
    process.stdin.write(GO)
    try:
        async with asyncio.timeout(_SCORING_S_MAX):
            said = await _ended(process)
    except TimeoutError:
        return False
    if process.returncode:
        raise ScoringBroke(f"the scoring process ended with {process.returncode}: {said[-2000:]}")
    return True


async def _ended(process: Process) -> str:
    assert process.stderr is not None  # noqa: S101 -- it is a pipe
    said = b""
    while part := await process.stderr.read(_ERROR_BYTES_MAX):
        said = (said + part)[-_ERROR_BYTES_MAX:]
    await process.wait()
    return said.decode(errors="replace")


def _result(folder: Path) -> tuple[bytes, Sequence[ScoredSample]] | VectorFailure:
    with (folder / RESULT).open("rb") as lines:
        first = orjson.loads(next(lines))
        if "failure" in first:
            return VectorFailure(code=first["code"], message=first["failure"])
        return orjson.dumps(first["metrics"]), [_scored(line) for line in lines]


def _scored(line: bytes) -> ScoredSample:
    found = orjson.loads(line)
    details = found["details"]
    return ScoredSample(
        sample_index=found["index"],
        scores_json=orjson.dumps(found["scores"]).decode(),
        extracted=found["extracted"],
        judge_json=orjson.dumps(details).decode() if details else None,
    )
