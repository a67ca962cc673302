import base64
import json
from typing import Any, Self

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.embedding.chunks import (
    CHUNK_CHARS_MAX,
    CHUNK_TEXTS_MAX,
    DIMENSIONS_MAX,
    AnswerUnusable,
    Batcher,
    TextUnit,
    read_vectors,
    shares,
)


def answer(*embeddings: Any, **extra: Any) -> bytes:
    data = [{"index": place, "embedding": entry} for place, entry in enumerate(embeddings)]
    return json.dumps({"data": data} | extra).encode()


def test_vectors_come_in_the_order_of_their_texts() -> None:
    data = [{"index": 1, "embedding": [3, 4]}, {"index": 0, "embedding": [1, 2]}]

    vectors = read_vectors(json.dumps({"data": data}).encode(), 2)

    assert vectors.tolist() == [[1, 2], [3, 4]]
    assert vectors.dtype == np.float32


def test_packed_vectors_are_read_too() -> None:
    packed = base64.b64encode(np.array([1.5, -2], dtype="<f4").tobytes()).decode()

    assert read_vectors(answer(packed), 1).tolist() == [[1.5, -2]]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'{"data": 3}',
        b'{"data": [3]}',
        b'{"data": [{"index": true, "embedding": [1]}]}',
        answer(None),
        answer([]),
        answer(["1x"]),
        answer([None]),
        answer("%%"),
        answer([[1, 2]]),
        answer([1e39]),
        answer([0.5] * (DIMENSIONS_MAX + 1)),
        answer([1], [2]),
    ],
)
def test_an_answer_without_one_finite_vector_for_the_text_is_unusable(body: bytes) -> None:
    with pytest.raises(AnswerUnusable):
        read_vectors(body, 1)


def test_vectors_of_different_lengths_are_refused_in_an_answer_and_beside_earlier_ones() -> None:
    with pytest.raises(AnswerUnusable, match="1, 2"):
        read_vectors(answer([1], [2, 3]), 2)
    with pytest.raises(AnswerUnusable, match="1, 2"):
        read_vectors(answer([1]), 1, dimensions=2)


class _OfLength(str):
    """A text that only says how long it is."""

    __slots__ = ("_length",)
    _length: int

    def __new__(cls, length: int) -> Self:
        made = super().__new__(cls)
        made._length = length
        return made

    def __len__(self) -> int:
        return self._length


@given(st.lists(st.lists(st.integers(0, CHUNK_CHARS_MAX), min_size=1, max_size=2), max_size=99))
def test_batches_keep_every_unit_in_order_and_fit_into_a_request(lengths: list[list[int]]) -> None:
    units = [
        TextUnit(index=place, texts=[_OfLength(length) for length in entry])
        for place, entry in enumerate(lengths)
    ]
    batcher = Batcher()
    batches = [batch for unit in units if (batch := batcher.add(unit))] + [batcher.rest()]

    assert [unit.index for batch in batches for unit in batch] == list(range(len(units)))
    for batch in batches:
        if len(batch) > 1:
            assert sum(len(unit.texts) for unit in batch) <= CHUNK_TEXTS_MAX
            assert sum(unit.chars for unit in batch) <= CHUNK_CHARS_MAX


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=50))
def test_shares_of_a_count_add_up_to_it(total: int, weights: list[int]) -> None:
    parts = [part for part in shares(total, weights) if part is not None]

    assert sum(parts) == total
    assert len(parts) == len(weights)
    assert min(parts) >= 0


def test_what_nobody_reported_has_no_shares() -> None:
    assert shares(None, [3, 4]) == [None, None]
