"""Embed what the samples of a group share, and score them all."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial

import orjson

from manifest.schema import Embedding
from orchestrator.domain.embedding.chunks import Part, TextUnit, VectorFailure
from orchestrator.domain.embedding.names import REJECTED_TEXTS
from orchestrator.domain.embedding.plan import EmbeddingInputs
from orchestrator.domain.failure import Failure
from orchestrator.domain.outcomes import SCORE_STAGE, Graded, Outcome, SampleChanges
from orchestrator.domain.work import ShardJob
from orchestrator.ports.embedding import (
    EmbeddingChunks,
    RunObjects,
    ScoredSample,
    Scorer,
    Scoring,
)
from orchestrator.ports.stores import ShardSamples
from orchestrator.usecases.ask_candidate import Candidate
from orchestrator.usecases.backoff import insist
from orchestrator.usecases.embedding.embed_texts import Embedded, TextEmbedder
from orchestrator.usecases.embedding.store_chunks import ChunkStore
from orchestrator.usecases.keep_leases import HeldLease
from orchestrator.usecases.store_results import ResultStore
from servicekit.caller import team_of
from servicekit.causes import causes

# Results that are held in memory before they are stored.
_RESULTS_AT_ONCE = 500


class _SharedTextFailed(Exception):
    """A text that all samples need could not be embedded, and a repetition may mend it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class GroupScorer:
    """Scores an aggregate shard of an embedding task; an interrupted one keeps its vectors."""

    def __init__(
        self,
        job: ShardJob,
        held: HeldLease,
        candidate: Candidate,
        *,
        inputs: EmbeddingInputs,
        chunks: EmbeddingChunks,
        objects: RunObjects,
        samples: ShardSamples,
        scorer: Scorer,
    ) -> None:
        self._job = job
        self._inputs = inputs
        self._chunks = chunks
        self._objects = objects
        self._samples = samples
        self._scorer = scorer
        self._store = ChunkStore(job.shard, Part.SHARED, chunks=chunks, objects=objects)
        self._embedder = TextEmbedder(
            job, held, candidate, on_ask=self._note_asked, on_embedded=self._keep
        )

    async def run(self) -> None:
        """Return when every sample that has vectors is scored, or failed with the group."""
        indices = await insist(partial(self._samples.restart_group, self._job.shard))
        if not indices:
            return
        failure = await self._embed_shared()
        if failure is None:
            await self._score(indices)
        else:
            message = f"a text that all samples need has no vector: {failure.message}"
            await self._fail(indices, VectorFailure(code=failure.code, message=message))

    async def _embed_shared(self) -> Failure | None:
        """Embed all shared texts that have no vector; return why not, if a rerun may mend it."""
        try:
            await self._embedder.run(self._units(await self._store.stored()))
        except ExceptionGroup as group:
            found = next((c for c in causes(group) if isinstance(c, _SharedTextFailed)), None)
            if found is None or not all(isinstance(c, _SharedTextFailed) for c in causes(group)):
                raise
            return found.failure
        return None

    async def _score(self, indices: Sequence[int]) -> None:
        embedding = Embedding.model_validate(orjson.loads(self._inputs.embedding_json))
        chunks = await insist(partial(self._chunks.chunks, self._job.shard))
        run = self._job.run
        scored = await self._scorer.score(
            Scoring(
                embedding_json=self._inputs.embedding_json,
                plan=self._inputs.plan,
                indices=indices,
                texts_per_sample=2 if embedding.kind == "sts" else 1,
                chunks=chunks,
            ),
            team=team_of(run),
        )
        if isinstance(scored, VectorFailure):
            await self._fail(indices, scored)
            return
        metrics_json, samples = scored
        if self._inputs.text_count:
            rejected = sum(len(chunk.rejected) for chunk in chunks)
            metrics = orjson.loads(metrics_json) | {REJECTED_TEXTS: rejected}
            metrics_json = orjson.dumps(metrics)
        await self._grade([_graded(sample) for sample in samples])
        await insist(partial(self._samples.add_group_metrics, self._job.shard, metrics_json))

    async def _fail(self, indices: Sequence[int], failure: VectorFailure) -> None:
        told = Failure(code=failure.code, message=failure.message, stage=SCORE_STAGE)
        await self._grade(
            [
                Graded(sample_index=index, outcome=Outcome.GRADER_ERROR, failure=told)
                for index in indices
            ]
        )

    async def _grade(self, results: Sequence[Graded]) -> None:
        async with asyncio.TaskGroup() as tasks:
            store = ResultStore(self._job.shard, self._samples, share=1, on_ready=lambda _: None)
            tasks.create_task(store.run())
            for start in range(0, len(results), _RESULTS_AT_ONCE):
                for graded in results[start : start + _RESULTS_AT_ONCE]:
                    store.add_graded(graded)
                await store.flush()
            store.close()

    async def _units(self, stored: set[int]) -> AsyncIterator[TextUnit]:
        if not self._inputs.text_count:
            return
        place = 0
        async for lines in self._objects.read_lines(self._inputs.texts):
            for line in lines:
                if place not in stored:
                    yield TextUnit(index=place, texts=[orjson.loads(line)])
                place += 1

    async def _note_asked(self, units: Sequence[TextUnit]) -> None:
        """Nobody sees shared texts wait."""

    async def _keep(self, embedded: Embedded) -> None:
        await self._store.add(embedded, SampleChanges())
        if embedded.failed:
            raise _SharedTextFailed(embedded.failed[0][1])


def _graded(sample: ScoredSample) -> Graded:
    return Graded(
        sample_index=sample.sample_index,
        outcome=Outcome.SCORED,
        extracted_output=sample.extracted,
        scores_json=sample.scores_json,
        judge_json=sample.judge_json,
    )
