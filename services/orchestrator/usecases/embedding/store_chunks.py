"""Store what a batch of texts became: its vectors, then the row that makes them count."""

import itertools
from functools import partial
from uuid import uuid4

import numpy as np

from orchestrator.domain.embedding.chunks import Chunk, Part
from orchestrator.domain.outcomes import SampleChanges
from orchestrator.domain.work import Shard
from orchestrator.ports.embedding import EmbeddingChunks, RunObjects
from orchestrator.usecases.backoff import Backoff, insist
from orchestrator.usecases.embedding.embed_texts import Embedded, positions
from servicekit import logs
from servicekit.errors import Kind, ServiceError

_log = logs.get_logger("orchestrator.store_chunks")


class ChunkStore:
    """Stores the chunks of one shard; waits for what is away."""

    def __init__(
        self, shard: Shard, part: Part, *, chunks: EmbeddingChunks, objects: RunObjects
    ) -> None:
        self._shard = shard
        self._part = part
        self._chunks = chunks
        self._objects = objects

    async def stored(self) -> set[int]:
        """Return the places of the texts of this part that need not be asked for."""
        chunks = await insist(partial(self._chunks.chunks, self._shard))
        return {
            place
            for chunk in chunks
            if chunk.part is self._part
            for place in itertools.chain(chunk.positions, chunk.rejected)
        }

    async def add(self, embedded: Embedded, changes: SampleChanges) -> None:
        """Store vectors and what they make of samples.

        Raises:
            LeaseLost: the shard is somebody else's.
        """
        chunk = await self._chunk(embedded)
        if chunk is not None or changes:
            await self.write(chunk, changes)

    async def write(self, chunk: Chunk | None, changes: SampleChanges) -> None:
        """Store a chunk whose vectors are there, and changes of samples."""
        backoff, repeated = Backoff(), False
        while True:
            try:
                await self._chunks.add(self._shard, chunk, changes, repeated=repeated)
            except ServiceError as error:
                if error.kind is not Kind.UNAVAILABLE:
                    raise
                _log.warning("vectors_waiting", results=changes.results, error=repr(error))
                # The connection may have broken after the commit.
                repeated = True
                await backoff.wait()
            else:
                return

    async def _chunk(self, embedded: Embedded) -> Chunk | None:
        # Samples tell of refused texts themselves.
        refused = [] if self._part is Part.SAMPLES else [unit for unit, _ in embedded.rejected]
        if not embedded.units and not refused:
            return None
        chunk = Chunk(
            run_id=self._shard.lease.run_id,
            key=uuid4().hex,
            part=self._part,
            positions=positions(embedded.units),
            rejected=positions(refused),
            dimensions=embedded.vectors[0].shape[1] if embedded.vectors else 0,
            input_tokens=sum(embedded.tokens.values()) if embedded.tokens else None,
        )
        if embedded.units:
            content = np.concatenate(embedded.vectors).astype("<f4").tobytes()
            await insist(partial(self._objects.put, chunk.name, content))
        return chunk
