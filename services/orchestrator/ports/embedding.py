"""What embedding tasks need of the outside: objects of runs, rows of chunks, and scoring."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.domain.embedding.chunks import Chunk, VectorFailure
from orchestrator.domain.outcomes import SampleChanges
from orchestrator.domain.work import Shard


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedRow:
    """A sample that waits for its vectors."""

    sample_index: int
    sample_id: str
    row_json: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """A group to be scored.

    Attributes:
        embedding_json: Normalised `embedding` object of the task.
        plan: Name of the object with the plan.
        indices: Samples to be scored, in order; all have vectors.
        texts_per_sample: Vectors of each of them.
        chunks: Chunks of both parts.
    """

    embedding_json: str
    plan: str
    indices: Sequence[int]
    texts_per_sample: int
    chunks: Sequence[Chunk]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredSample:
    """What came of one sample, as it is stored."""

    sample_index: int
    scores_json: str
    extracted: str | None
    judge_json: str | None


class RunObjects(Protocol):
    """Objects of runs in the object store; names begin with the run's id and a slash."""

    async def put(self, name: str, content: bytes | AsyncIterator[bytes]) -> None:
        """Store an object under a name that nobody has used."""

    async def get(self, name: str) -> bytes:
        """Return an object."""
        ...

    def read_lines(self, name: str) -> AsyncIterator[list[bytes]]:
        """Yield the lines of an object in batches."""
        ...

    async def delete_below(self, name: str) -> int:
        """Delete all objects whose names begin with `name` and a slash."""
        ...


class EmbeddingChunks(Protocol):
    """Chunks of vectors of a leased shard's group; what takes a shard raises LeaseLost."""

    async def queued(self, shard: Shard, *, after: int, limit: int) -> Sequence[QueuedRow]:
        """Return queued samples with their rows behind index `after`; fewer when rows are large."""
        ...

    async def chunks(self, shard: Shard) -> Sequence[Chunk]:
        """Return all chunks of the group."""
        ...

    async def add(
        self, shard: Shard, chunk: Chunk | None, changes: SampleChanges, *, repeated: bool
    ) -> None:
        """Store a chunk and what it makes of samples, together."""


class UnneededVectors(Protocol):
    """Runs whose vectors no rerun or retry can need."""

    async def pending(self, *, limit: int) -> Sequence[str]:
        """Return ids of runs."""
        ...

    async def gone(self, run_id: str) -> None:
        """Note that a run has no objects any more."""


class Scorer(Protocol):
    """Turns vectors into scores, outside of this process."""

    async def score(
        self, scoring: Scoring, *, team: str
    ) -> tuple[bytes, Sequence[ScoredSample]] | VectorFailure:
        """Return the metrics of the group as a JSON object and its samples, or why there are none.

        Args:
            scoring: What to score.
            team: Whose turn it takes, by its full name.
        """
        ...
