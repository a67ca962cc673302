"""Take one shard to its end."""

import asyncio
from collections.abc import Sequence
from functools import partial

from orchestrator.domain.outcomes import GENERATE_STAGE
from orchestrator.domain.sharding import ShardKind
from orchestrator.domain.work import ShardJob
from orchestrator.ports.services import Bridge, Sandbox
from orchestrator.ports.stores import Shards, ShardSamples
from orchestrator.ports.token_measures import TokenCounter
from orchestrator.usecases.backoff import insist
from orchestrator.usecases.embedding.embed_shard import EmbedShard
from orchestrator.usecases.generate_samples import SampleGenerator
from orchestrator.usecases.grade_group import GroupGrader
from orchestrator.usecases.grade_samples import SampleGrader
from orchestrator.usecases.hold_run_token import RunToken, RunTokens
from orchestrator.usecases.keep_leases import HeldLease
from orchestrator.usecases.leased_work import LeasedWork
from orchestrator.usecases.on_behalf import caller_of
from orchestrator.usecases.speech_calls import SpeechCalls
from orchestrator.usecases.store_results import ResultStore
from servicekit import logs
from servicekit.caller import calling_as

_log = logs.get_logger("orchestrator.run_shard")


class RunShard:
    """Generates and grades the samples of a shard."""

    def __init__(
        self,
        *,
        shards: Shards,
        samples: ShardSamples,
        tokens: RunTokens,
        bridge: Bridge,
        sandbox: Sandbox,
        leased: LeasedWork,
        counter: TokenCounter,
        embeddings: EmbedShard,
    ) -> None:
        self._shards = shards
        self._samples = samples
        self._speech = SpeechCalls(samples)
        self._tokens = tokens
        self._bridge = bridge
        self._sandbox = sandbox
        self._leased = leased
        self._counter = counter
        self._embeddings = embeddings

    async def __call__(self, run_id: str, shard_no: int) -> None:
        """Work on a shard until it is done; nothing when it is done or in other hands."""
        job = await self._shards.take(run_id, shard_no)
        if job is None:
            return
        lease = job.shard.lease
        async with self._leased.under(lease, share=job.share, stage=GENERATE_STAGE) as held:
            _log.info("shard_taken", kind=job.shard.kind, samples=job.shard.size)
            with calling_as(caller_of(job.run)):
                await self._work(job, held)
            held.let_go()
            if await insist(partial(self._shards.finish, lease)):
                self._leased.hurry()
            _log.info("shard_finished", kind=job.shard.kind, samples=job.shard.size)

    async def _work(self, job: ShardJob, held: HeldLease) -> None:
        token = self._tokens.of(job.run.id, job.run_token)
        if job.embedding_json is not None:
            await self._embeddings(job, held, token, job.embedding_json)
        elif job.shard.kind is ShardKind.AGGREGATE:
            group = GroupGrader(job, samples=self._samples, sandbox=self._sandbox, token=token)
            await group.run()
        else:
            await self._generate_and_grade(job, held, token)

    async def _generate_and_grade(self, job: ShardJob, held: HeldLease, token: RunToken) -> None:
        grader: SampleGrader | None = None

        def hand_over(indices: Sequence[int]) -> None:
            if grader is not None:
                grader.add_ready(indices)

        results = ResultStore(
            job.shard, self._samples, share=job.share.generation, on_ready=hand_over
        )
        generator = SampleGenerator(
            job,
            held,
            samples=self._samples,
            bridge=self._bridge,
            token=token,
            results=results,
            speech=self._speech,
            counter=self._counter,
        )
        if not job.shard.is_grouped:
            grader = SampleGrader(
                job,
                held,
                samples=self._samples,
                sandbox=self._sandbox,
                token=token,
                results=results,
            )
            # What an earlier worker generated and nobody graded.
            grader.add_ready(await insist(partial(self._samples.ready, job.shard)))
        async with asyncio.TaskGroup() as storing:
            storing.create_task(results.run())
            async with asyncio.TaskGroup() as grading:
                if grader is not None:
                    grading.create_task(grader.run())
                await generator.run()
                await results.flush()
                if grader is not None:
                    grader.end()
            results.close()
