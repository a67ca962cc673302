"""Pieces of work that are leased, and what a worker needs to know of them."""

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.domain.run import Run
from orchestrator.domain.sharding import ShardKind, Share
from orchestrator.domain.tokens import Tokens


class LeaseLost(Exception):
    """Somebody else holds the lease, or nobody may: whatever was to be written was not."""


class RunStep(StrEnum):
    """Steps that one worker does for a whole run."""

    PREPARE = "prepare"
    FINALIZE = "finalize"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to write for a run's current step (`shard_no` is None) or for one shard.

    It is good as long as nobody took the same thing again, which raises the epoch.
    """

    run_id: str
    shard_no: int | None
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunJob:
    """A leased step of a run."""

    lease: Lease
    run: Run
    manifest_json: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A leased shard: samples `from_index` (inclusive) to `to_index` (exclusive)."""

    lease: Lease
    kind: ShardKind
    task_ord: int
    model_ord: int
    from_index: int
    to_index: int

    @property
    def size(self) -> int:
        """How many samples it has."""
        return self.to_index - self.from_index

    @property
    def is_grouped(self) -> bool:
        """Whether its samples are graded together with their whole group."""
        return self.kind is not ShardKind.PER_SAMPLE


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardJob:
    """A leased shard with all that is needed to work on it.

    Attributes:
        grader_json: Normalised grader with its source inlined.
        extraction_json: Normalised output extraction.
        transcription_json: What speech models are told; None when the model is prompted.
        embedding_json: Where inputs of an embedding task lie; None for every other type.
    """

    shard: Shard
    share: Share
    run: Run
    task_id: str
    model: str
    grader_json: bytes
    extraction_json: bytes
    run_token: str
    transcription_json: bytes | None = None
    embedding_json: bytes | None = None


# A sample travels in a message of at most 16 MiB, with its output; a prompt goes to its model in
# JSON, where a byte may become six. What is larger than this could not travel.
ROW_BYTES_MAX = 6 * 1024 * 1024
TEXT_BYTES_MAX = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A prepared row; with an error its samples fail in prepare, without one it has a prompt.

    `audio` is what a speech model is to write down: a `data:` URI or an http(s) URL.
    """

    sample_index: int
    row_json: str
    prompt: str
    target: str | None
    choices_json: str | None
    error_code: str | None = None
    error_message: str | None = None
    audio: str | None = None

    def bounded(self) -> "Item":
        """Return the item, or one with an error and without its texts when these are too large."""
        parts = (
            ("row", self.row_json, ROW_BYTES_MAX),
            ("audio", self.audio or "", ROW_BYTES_MAX),
            ("prompt", self.prompt, TEXT_BYTES_MAX),
            ("target and choices", f"{self.target}{self.choices_json}", TEXT_BYTES_MAX),
        )
        for name, text, bytes_max in parts:
            # A character has at most four bytes; nearly every text is known to fit by its length.
            if 4 * len(text) > bytes_max and (size_bytes := len(text.encode())) > bytes_max:
                problem = f"{name}: {size_bytes} bytes are too many, at most {bytes_max} can be"
                return self._without_texts(problem)
        return self

    def _without_texts(self, problem: str) -> "Item":
        return Item(
            sample_index=self.sample_index,
            row_json="{}",
            prompt="",
            target=None,
            choices_json=None,
            error_code="template_error",
            error_message=problem,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedTask:
    """A task whose items are complete.

    Attributes:
        audio_column: Column of its rows that has audio; None when none is named.
        transcription_json: What speech models are told; None for a task whose models are prompted.
        embedding_json: Where inputs of an embedding task lie; None for every other type.
    """

    task_ord: int
    task_id: str
    grader_json: bytes
    extraction_json: bytes
    aggregate: bool
    item_count: int
    audio_column: str | None = None
    transcription_json: bytes | None = None
    embedding_json: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedSample:
    """A sample that waits for its candidate call."""

    sample_index: int
    sample_id: str
    prompt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GradableSample:
    """A sample with its stored output, as the grader gets it."""

    sample_index: int
    sample_id: str
    row_json: bytes
    prompt: str
    target: str | None
    choices_json: bytes
    output_text: str | None
    response_id: str | None
    tokens: Tokens

    def fits(self, bytes_max: int) -> bool:
        """Tell whether its texts together have at most `bytes_max` bytes."""
        texts = (self.prompt, self.target or "", self.output_text or "")
        documents = len(self.row_json) + len(self.choices_json)
        # A character has at most four bytes; nearly every sample is known to fit without encoding.
        if documents + 4 * sum(map(len, texts)) <= bytes_max:
            return True
        return documents + sum(len(text.encode()) for text in texts) <= bytes_max


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What is known of an uploaded file without opening it."""

    filename: str
    purpose: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparationOrder:
    """A task whose rows are to be turned into items.

    Attributes:
        task_json: Normalised task with the sources of its programs inlined.
        max_items: Keep at most this many items; None for all.
    """

    run_id: str
    task_json: bytes
    max_items: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GradingOrder:
    """Whose samples are to be graded, by what, and how many at once.

    Attributes:
        run_token: Empty when the grader has no access to models.
    """

    run_id: str
    task_id: str
    model: str
    grader_json: bytes
    extraction_json: bytes
    aggregate: bool
    concurrency: int
    run_token: str
    judge_model: str | None
    embedding_model: str | None
