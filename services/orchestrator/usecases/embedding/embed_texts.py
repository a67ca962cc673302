"""Embed texts through the bridge, in batches, each stored before its caller asks again."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from manifest.generation import parse_generation
from orchestrator.domain.embedding.chunks import (
    TEXT_REFUSED,
    AnswerUnusable,
    Batcher,
    TextUnit,
    read_vectors,
    shares,
)
from orchestrator.domain.embedding.scores import Vectors
from orchestrator.domain.failure import Failure
from orchestrator.domain.outcomes import GENERATE_STAGE, Endpoint, ModelCall, ModelReply
from orchestrator.domain.sharding import Share
from orchestrator.domain.work import ShardJob
from orchestrator.usecases.ask_candidate import Candidate, generation_failure
from orchestrator.usecases.keep_leases import HeldLease

# A model that has refused so many single texts and taken none refuses whatever it is sent.
_REFUSALS_MAX = 32


@dataclass(slots=True)
class Embedded:
    """What became of one batch.

    Attributes:
        units: Those with vectors, in order of `vectors`.
        vectors: One row a text.
        rejected: Units whose text the provider refuses.
        failed: Units of which nothing is known.
        tokens: Input tokens of units, as far as the provider reported them.
    """

    units: list[TextUnit] = field(default_factory=list)
    vectors: list[Vectors] = field(default_factory=list)
    rejected: list[tuple[TextUnit, Failure]] = field(default_factory=list)
    failed: list[tuple[TextUnit, Failure]] = field(default_factory=list)
    tokens: dict[int, int] = field(default_factory=dict)
    started_at: datetime | None = None
    ended_at: datetime | None = None


class TextEmbedder:
    """Embeds units of text with as many calls in flight as the shard's share.

    Args:
        on_ask: Told the units of a batch before it is sent.
        on_embedded: Stores a batch; its caller asks for no other before that.
    """

    def __init__(
        self,
        job: ShardJob,
        held: HeldLease,
        candidate: Candidate,
        *,
        on_ask: Callable[[Sequence[TextUnit]], Awaitable[None]],
        on_embedded: Callable[[Embedded], Awaitable[None]],
    ) -> None:
        self._job = job
        self._held = held
        self._candidate = candidate
        self._on_ask = on_ask
        self._on_embedded = on_embedded
        self._settings = parse_generation(job.run.request.generation_json)
        self._queue: asyncio.Queue[list[TextUnit] | None] = asyncio.Queue(maxsize=1)
        self._callers = 0
        self._refusals = 0
        self._took_any = False

    async def run(self, units: AsyncIterator[TextUnit]) -> None:
        """Return when every unit was handed to `on_embedded`."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._feed(units))
                here = copy_context()
                self._held.on_share = lambda share: here.run(self._grow, tasks, share)
                self._grow(tasks, self._held.share or self._job.share)
        finally:
            self._held.on_share = None

    def _grow(self, tasks: asyncio.TaskGroup, share: Share) -> None:
        for _ in range(self._callers, share.generation):
            tasks.create_task(self._call_on())
        self._callers = max(self._callers, share.generation)

    async def _feed(self, units: AsyncIterator[TextUnit]) -> None:
        batcher = Batcher()
        async for unit in units:
            if batch := batcher.add(unit):
                await self._queue.put(batch)
        if batch := batcher.rest():
            await self._queue.put(batch)
        await self._queue.put(None)

    async def _call_on(self) -> None:
        while (batch := await self._queue.get()) is not None:
            await self._on_ask(batch)
            embedded = Embedded()
            await self._embed(batch, embedded)
            await self._on_embedded(embedded)
        await self._queue.put(None)  # for the next caller; nobody else puts any more

    async def _embed(self, batch: Sequence[TextUnit], embedded: Embedded) -> None:
        texts = [text for unit in batch for text in unit.texts]
        reply = await self._candidate.ask(lambda token: self._call(batch, texts, token))
        embedded.started_at = embedded.started_at or reply.started_at
        embedded.ended_at = reply.ended_at
        if not reply.failure_code:
            self._take(batch, len(texts), reply, embedded)
        elif reply.http_status not in TEXT_REFUSED:
            embedded.failed += [(unit, generation_failure(reply)) for unit in batch]
        elif len(batch) > 1 and (self._took_any or self._refusals < _REFUSALS_MAX):
            # One text is to blame, and which one the provider does not say.
            half = len(batch) // 2
            await self._embed(batch[:half], embedded)
            await self._embed(batch[half:], embedded)
        elif len(batch) > 1:
            embedded.failed += [(unit, generation_failure(reply)) for unit in batch]
        else:
            self._refusals += 1
            embedded.rejected.append((batch[0], generation_failure(reply)))

    def _take(
        self, batch: Sequence[TextUnit], count: int, reply: ModelReply, embedded: Embedded
    ) -> None:
        try:
            known = embedded.vectors[0].shape[1] if embedded.vectors else None
            vectors = read_vectors(reply.body_json, count, dimensions=known)
        except AnswerUnusable as error:
            failure = Failure(code="model_error", message=str(error), stage=GENERATE_STAGE)
            embedded.failed += [(unit, failure) for unit in batch]
            return
        self._took_any = True
        embedded.units += batch
        embedded.vectors.append(vectors)
        parts = shares(reply.tokens.input, [unit.chars for unit in batch])
        reported = zip(batch, parts, strict=True)
        embedded.tokens |= {unit.index: part for unit, part in reported if part is not None}

    def _call(self, batch: Sequence[TextUnit], texts: Sequence[str], run_token: str) -> ModelCall:
        controls = self._settings.controls
        body: Mapping[str, object] = {"model": self._job.model, "input": texts}
        return ModelCall(
            run_token=run_token,
            body_json=orjson.dumps(body),
            timeout_s=controls.timeout_s,
            max_retries=controls.max_retries,
            max_empty_retries=0,
            sample_id=batch[0].sample_id,
            endpoint=Endpoint.EMBEDDINGS,
        )


def positions(units: Sequence[TextUnit]) -> list[int]:
    """Return the places of the texts of units, which all have the same number of them."""
    return list(
        itertools.chain.from_iterable(
            range(unit.index * len(unit.texts), (unit.index + 1) * len(unit.texts))
            for unit in units
        )
    )
