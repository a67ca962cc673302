"""Take one shard of an embedding task to its end."""

from orchestrator.domain.embedding.plan import EmbeddingInputs
from orchestrator.domain.sharding import ShardKind
from orchestrator.domain.work import ShardJob
from orchestrator.ports.embedding import EmbeddingChunks, RunObjects, Scorer
from orchestrator.ports.services import Bridge
from orchestrator.ports.stores import ShardSamples
from orchestrator.usecases.ask_candidate import Candidate
from orchestrator.usecases.embedding.embed_samples import SampleEmbedder
from orchestrator.usecases.embedding.score_group import GroupScorer
from orchestrator.usecases.hold_run_token import RunToken
from orchestrator.usecases.keep_leases import HeldLease


class EmbedShard:
    """Embeds samples, or scores a group."""

    def __init__(
        self,
        *,
        bridge: Bridge,
        samples: ShardSamples,
        chunks: EmbeddingChunks,
        objects: RunObjects,
        scorer: Scorer,
    ) -> None:
        self._bridge = bridge
        self._samples = samples
        self._chunks = chunks
        self._objects = objects
        self._scorer = scorer

    async def __call__(
        self, job: ShardJob, held: HeldLease, token: RunToken, embedding_json: bytes
    ) -> None:
        """Work on a shard until every sample of it is ready for its group, or has ended."""
        inputs = EmbeddingInputs.from_json(embedding_json)
        candidate = Candidate(self._bridge, token)
        if job.shard.kind is ShardKind.AGGREGATE:
            await GroupScorer(
                job,
                held,
                candidate,
                inputs=inputs,
                chunks=self._chunks,
                objects=self._objects,
                samples=self._samples,
                scorer=self._scorer,
            ).run()
        else:
            await SampleEmbedder(
                job, held, candidate, inputs=inputs, chunks=self._chunks, objects=self._objects
            ).run()
