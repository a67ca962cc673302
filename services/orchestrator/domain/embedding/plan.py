"""What scoring an embedding task needs besides vectors, made once when a run is prepared."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import orjson

Labels = str | Sequence[str]
Fact = float | Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Facts by sample index or by the place of a shared text; which ones depends on the kind.

    Attributes:
        facts: Gold score, label, list of labels or query id of each sample; None for a row that
            could not be used.
        training_labels: Label of each shared text, or list of labels.
        draws: Shared texts that each experiment learns from.
        documents: Id of each shared text.
        relevance: From query to document to relevance.
        candidates: From query to documents that are ranked for it; None for all.
    """

    facts: Sequence[Fact | None] = ()
    training_labels: Sequence[Labels] = ()
    draws: Sequence[Sequence[int]] = ()
    documents: Sequence[str] = ()
    relevance: Mapping[str, Mapping[str, float]] | None = None
    candidates: Mapping[str, Sequence[str]] | None = None

    def to_json(self) -> bytes:
        """Return the plan as it is stored."""
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, document: bytes) -> "Plan":
        """Return the plan of a stored document."""
        return cls(**orjson.loads(document))


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingInputs:
    """Where the prepared inputs of a run's task lie.

    Attributes:
        embedding_json: Normalised `embedding` object of the task.
        plan: Name of the object with the plan.
        texts: Name of the object with the shared texts, one JSON string a line.
        text_count: How many shared texts there are.
    """

    embedding_json: str
    plan: str
    texts: str
    text_count: int

    def to_json(self) -> bytes:
        """Return the inputs as they are stored with the task."""
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, document: bytes) -> "EmbeddingInputs":
        """Return the inputs of a stored document."""
        return cls(**orjson.loads(document))
