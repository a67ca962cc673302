"""Texts on their way to a model, and the vectors that come back."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import orjson

from orchestrator.domain.embedding.scores import Vectors

# Common providers take 2,048 texts or 300,000 tokens in a request. The answer has to fit into the
# 8 MiB that the bridge takes: 32 x 8,192 numbers are about 6 MB of JSON.
CHUNK_TEXTS_MAX = 32
CHUNK_CHARS_MAX = 250_000
DIMENSIONS_MAX = 8_192

# A provider that answers so says something of the text; other refusals are about the model, the
# key or the moment.
TEXT_REFUSED = frozenset({400, 413, 422})


class Part(StrEnum):
    """Whose texts a chunk has: the samples' own, or those that the whole group shares."""

    SAMPLES = "samples"
    SHARED = "shared"


class AnswerUnusable(Exception):
    """The model's answer holds no vectors for the texts; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextUnit:
    """Texts that are embedded together or not at all: a sample's, or one shared text.

    Attributes:
        index: Sample index, or the place of the shared text.
        sample_id: For logs; empty for a shared text.
    """

    index: int
    texts: Sequence[str]
    sample_id: str = ""

    @property
    def chars(self) -> int:
        """How many characters it has."""
        return sum(map(len, self.texts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """The stored vectors of some texts of a (task, model) group.

    Attributes:
        key: 32 hexadecimal digits.
        positions: Places of the texts, in order of the vectors: `unit index x texts of a unit + n`.
        rejected: Places of texts that the provider refused; they have no vectors.
        dimensions: Numbers of a vector; 0 when there are none.
    """

    run_id: str
    key: str
    part: Part
    positions: Sequence[int]
    rejected: Sequence[int] = ()
    dimensions: int
    input_tokens: int | None = None

    @property
    def name(self) -> str:
        """Name of the object with its vectors."""
        return f"{self.run_id}/vectors/{self.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorFailure:
    """Why a group cannot be scored."""

    code: str
    message: str


class Batcher:
    """Gathers units into batches that fit into one request."""

    def __init__(self) -> None:
        self._units: list[TextUnit] = []
        self._texts = 0
        self._chars = 0

    def add(self, unit: TextUnit) -> list[TextUnit]:
        """Take a unit; return the batch that is full without it, empty when none is."""
        full = self._units and (
            self._texts + len(unit.texts) > CHUNK_TEXTS_MAX
            or self._chars + unit.chars > CHUNK_CHARS_MAX
        )
        batch = self.rest() if full else []
        self._units.append(unit)
        self._texts += len(unit.texts)
        self._chars += unit.chars
        return batch

    def rest(self) -> list[TextUnit]:
        """Return what was gathered and start anew."""
        batch, self._units, self._texts, self._chars = self._units, [], 0, 0
        return batch


def read_vectors(body_json: bytes, count: int, *, dimensions: int | None = None) -> Vectors:
    """Return the vectors of an embeddings answer, one row a text, in order of the texts.

    Args:
        body_json: The answer.
        count: How many texts were sent.
        dimensions: Numbers that a vector must have; None for any.

    Raises:
        AnswerUnusable: there are not `count` vectors of the same length in it.
    """
    try:
        data = orjson.loads(body_json)["data"]
        entries = sorted(enumerate(data), key=_place)
        rows = [_vector(entry["embedding"]) for _, entry in entries]
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise AnswerUnusable("the model's answer holds no vectors") from error
    if len(rows) != count:
        raise AnswerUnusable(f"the model gave {len(rows)} vectors for {count} texts")
    lengths = {len(row) for row in rows} | ({dimensions} if dimensions is not None else set())
    if len(lengths) != 1 or not 0 < next(iter(lengths)) <= DIMENSIONS_MAX:
        raise AnswerUnusable(
            f"the model gave vectors of {sorted(lengths)[:5]} numbers; "
            f"all must have the same, at most {DIMENSIONS_MAX}"
        )
    vectors = np.stack(rows)
    if not np.isfinite(vectors).all():
        raise AnswerUnusable("the model gave a vector with a number that is not finite")
    return vectors


def shares(total: int | None, weights: Sequence[int]) -> list[int | None]:
    """Divide a count among parts by their weights; the parts add up to the count."""
    if total is None:
        return [None] * len(weights)
    whole = sum(weights) or len(weights)
    fair = weights if sum(weights) else [1] * len(weights)
    parts: list[int | None] = []
    seen = given = 0
    for weight in fair:
        seen += weight
        parts.append(total * seen // whole - given)
        given = total * seen // whole
    return parts


def _place(entry: tuple[int, Any]) -> int:
    place, content = entry
    if not isinstance(content, dict):
        raise TypeError(type(content))
    index = content.get("index", place)
    if isinstance(index, bool) or not isinstance(index, int):
        raise TypeError(index)
    return index


def _vector(content: object) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    if isinstance(content, str):
        return np.frombuffer(base64.b64decode(content, validate=True), dtype="<f4")
    if not isinstance(content, list):
        raise TypeError(type(content))
    with np.errstate(over="ignore"):  # what is too large for float32 is not finite, and refused
        numbers = np.array(content, dtype=np.float64).astype(np.float32)
    if numbers.ndim != 1:
        raise TypeError(numbers.shape)
    return numbers
