"""Ask the candidate model for every queued sample of a shard."""

import asyncio
from contextvars import copy_context
from dataclasses import replace
from functools import partial

import orjson

from manifest.generation import GenerationSettings, parse_generation
from orchestrator.domain.outcomes import Endpoint, Generated, ModelCall, ModelReply
from orchestrator.domain.sharding import Share
from orchestrator.domain.text import cut_at_stops, cut_reasoning, storable
from orchestrator.domain.work import QueuedSample, ShardJob
from orchestrator.ports.services import Bridge
from orchestrator.ports.stores import ShardSamples
from orchestrator.ports.token_measures import TokenCounter
from orchestrator.usecases.ask_candidate import Candidate, generation_failure
from orchestrator.usecases.backoff import insist
from orchestrator.usecases.hold_run_token import RunToken
from orchestrator.usecases.keep_leases import HeldLease
from orchestrator.usecases.speech_calls import SpeechCalls
from orchestrator.usecases.store_results import COMPANY_S, ResultStore
from orchestrator.usecases.token_counting.estimate_reply import with_estimate
from servicekit import logs

# A call that took this long can wait the few milliseconds until its result is stored before the
# next one starts: then a crash repeats no more calls than are in flight. For faster ones that wait
# would cost more than a tenth of the throughput.
_SLOW_CALL_S = 0.08
_SLOW_CALL_WAIT = 0.02  # of its time, for company in the commit

_BATCH_MIN = 32
_BATCH_MAX = 256


_log = logs.get_logger("orchestrator.generate_samples")


class SampleGenerator:
    """Generates the queued samples of one shard, with as many calls in flight as its share."""

    def __init__(
        self,
        job: ShardJob,
        held: HeldLease,
        *,
        samples: ShardSamples,
        bridge: Bridge,
        token: RunToken,
        results: ResultStore,
        speech: SpeechCalls,
        counter: TokenCounter,
    ) -> None:
        self._job = job
        self._held = held
        self._samples = samples
        self._candidate = Candidate(bridge, token)
        self._results = results
        self._speech = speech
        self._counter = counter
        self._settings = parse_generation(job.run.request.generation_json)
        self._share = held.share or job.share
        self._queue: asyncio.Queue[QueuedSample | None] = asyncio.Queue(maxsize=_BATCH_MIN)
        self._callers = 0
        self._now = asyncio.get_running_loop().time

    async def run(self) -> None:
        """Return when every queued sample has its result with the result store."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._feed())
                # Shares come from elsewhere, where nobody's calls are made.
                here = copy_context()
                self._held.on_share = lambda share: here.run(self._grow, tasks, share)
                self._grow(tasks, self._share)
        finally:
            self._held.on_share = None

    def _grow(self, tasks: asyncio.TaskGroup, share: Share) -> None:
        self._share = share
        wanted = min(share.generation, self._job.shard.size)
        for _ in range(self._callers, wanted):
            tasks.create_task(self._call_on())
        self._callers = max(self._callers, wanted)

    async def _feed(self) -> None:
        after = self._job.shard.from_index - 1
        while True:
            limit = min(max(2 * self._share.generation, _BATCH_MIN), _BATCH_MAX)
            ask = partial(self._samples.queued, self._job.shard, after=after, limit=limit)
            batch = await insist(ask)
            for sample in batch:
                await self._queue.put(sample)
            if not batch:
                await self._queue.put(None)
                return
            after = batch[-1].sample_index

    async def _call_on(self) -> None:
        while (sample := await self._queue.get()) is not None:
            await self._generate(sample)
        self._queue.put_nowait(None)  # for the next caller; nobody else puts any more

    async def _generate(self, sample: QueuedSample) -> None:
        self._results.note_generating(sample.sample_index)
        began = self._now()
        reply = await self._ask(sample)
        took_s = self._now() - began
        generated = await self._counted(sample, self._generated(sample, reply))
        if took_s < _SLOW_CALL_S:
            self._results.add_generated(generated)
        else:
            within_s = min(took_s * _SLOW_CALL_WAIT, COMPANY_S)
            await self._results.add_generated(generated, within_s=within_s).wait()

    async def _ask(self, sample: QueuedSample) -> ModelReply:
        if self._job.transcription_json is None:
            body = _body(self._settings, self._job, sample)
            return await self._candidate.ask(partial(self._call, sample, body, Endpoint.RESPONSES))
        async with self._speech.body(self._job, sample, self._settings) as body:
            speech = Endpoint.TRANSCRIPTIONS
            return await self._candidate.ask(partial(self._call, sample, body, speech))

    def _call(
        self, sample: QueuedSample, body: bytes, endpoint: Endpoint, run_token: str
    ) -> ModelCall:
        controls = self._settings.controls
        return ModelCall(
            run_token=run_token,
            body_json=body,
            endpoint=endpoint,
            timeout_s=controls.timeout_s,
            max_retries=controls.max_retries,
            max_empty_retries=controls.max_empty_retries,
            sample_id=sample.sample_id,
        )

    def _generated(self, sample: QueuedSample, reply: ModelReply) -> Generated:
        if reply.failure_code:
            return Generated(
                sample_index=sample.sample_index,
                tokens=reply.tokens,
                started_at=reply.started_at,
                ended_at=reply.ended_at,
                failure=generation_failure(reply),
            )
        text = cut_at_stops(reply.output_text, self._settings.stop_sequences)
        return Generated(
            sample_index=sample.sample_index,
            response_id=storable(reply.response_id) or None,
            output_text=storable(text),
            reasoning=cut_reasoning(storable(reply.reasoning)) or None,
            tokens=reply.tokens,
            started_at=reply.started_at,
            ended_at=reply.ended_at,
        )

    async def _counted(self, sample: QueuedSample, generated: Generated) -> Generated:
        if self._job.transcription_json is not None:
            return generated  # what the model read is no text that could be counted
        tokens = await with_estimate(
            self._counter,
            generated.tokens,
            prompt=sample.prompt,
            output_text=generated.output_text,
            reasoning=generated.reasoning,
        )
        return generated if tokens is generated.tokens else replace(generated, tokens=tokens)


def _body(settings: GenerationSettings, job: ShardJob, sample: QueuedSample) -> bytes:
    body = settings.upstream_body(
        model=job.model,
        prompt=sample.prompt,
        metadata={
            "eval_run_id": job.run.id,
            "eval_task_id": job.task_id,
            "eval_sample_index": str(sample.sample_index),
        },
    )
    return orjson.dumps(body)
