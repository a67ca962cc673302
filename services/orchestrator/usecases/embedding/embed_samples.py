"""Embed the texts of a shard's samples."""

from collections.abc import AsyncIterator, Iterable, Sequence
from functools import partial

import orjson

from manifest.schema import Embedding
from orchestrator.domain.embedding.chunks import Part, TextUnit
from orchestrator.domain.embedding.plan import EmbeddingInputs
from orchestrator.domain.embedding.rows import read_row, sample_texts
from orchestrator.domain.failure import Failure
from orchestrator.domain.outcomes import Generated, SampleChanges
from orchestrator.domain.tokens import NO_TOKENS, Tokens
from orchestrator.domain.work import ShardJob
from orchestrator.ports.embedding import EmbeddingChunks, QueuedRow, RunObjects
from orchestrator.usecases.ask_candidate import Candidate
from orchestrator.usecases.backoff import insist
from orchestrator.usecases.embedding.embed_texts import Embedded, TextEmbedder, positions
from orchestrator.usecases.embedding.store_chunks import ChunkStore
from orchestrator.usecases.keep_leases import HeldLease

_PAGE = 256


class SampleEmbedder:
    """Embeds the queued samples of one shard; one that has its vectors is ready at once."""

    def __init__(
        self,
        job: ShardJob,
        held: HeldLease,
        candidate: Candidate,
        *,
        inputs: EmbeddingInputs,
        chunks: EmbeddingChunks,
        objects: RunObjects,
    ) -> None:
        self._job = job
        self._chunks = chunks
        self._embedding = Embedding.model_validate(orjson.loads(inputs.embedding_json))
        self._store = ChunkStore(job.shard, Part.SAMPLES, chunks=chunks, objects=objects)
        self._embedder = TextEmbedder(
            job, held, candidate, on_ask=self._note_asked, on_embedded=self._keep
        )

    async def run(self) -> None:
        """Return when every queued sample is ready to be scored, or failed."""
        await self._embedder.run(self._units(await self._store.stored()))

    async def _units(self, stored: set[int]) -> AsyncIterator[TextUnit]:
        shard = self._job.shard
        after = shard.from_index - 1
        while rows := await insist(partial(self._chunks.queued, shard, after=after, limit=_PAGE)):
            units = [self._unit(row) for row in rows]
            there = [unit for unit in units if stored.issuperset(positions([unit]))]
            if there:
                ready = _changes(Generated(sample_index=unit.index) for unit in there)
                await self._store.write(None, ready)
            for unit in units:
                if unit not in there:
                    yield unit
            after = rows[-1].sample_index

    def _unit(self, row: QueuedRow) -> TextUnit:
        texts = sample_texts(read_row(row.row_json), self._embedding)
        return TextUnit(index=row.sample_index, texts=texts, sample_id=row.sample_id)

    async def _note_asked(self, units: Sequence[TextUnit]) -> None:
        changes = SampleChanges(generating={unit.index for unit in units})
        await self._store.write(None, changes)

    async def _keep(self, embedded: Embedded) -> None:
        def generated(unit: TextUnit, failure: Failure | None = None) -> Generated:
            tokens = embedded.tokens.get(unit.index)
            return Generated(
                sample_index=unit.index,
                tokens=NO_TOKENS if tokens is None else Tokens(input=tokens),
                started_at=embedded.started_at,
                ended_at=embedded.ended_at,
                failure=failure,
            )

        without = [*embedded.rejected, *embedded.failed]
        ended = [generated(unit) for unit in embedded.units]
        ended += [generated(unit, failure) for unit, failure in without]
        await self._store.add(embedded, _changes(ended))


def _changes(ended: Iterable[Generated]) -> SampleChanges:
    return SampleChanges(generated={entry.sample_index: entry for entry in ended})
