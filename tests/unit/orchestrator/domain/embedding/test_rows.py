from collections.abc import Callable
from typing import Any

import pytest

from manifest.embedding import EmbeddingProtocol
from orchestrator.domain.embedding.rows import (
    Row,
    RowUnusable,
    as_text,
    document_text,
    id_in,
    ids_in,
    label_in,
    labels_in,
    number_in,
    read_row,
    sample_texts,
)

PAIRS = EmbeddingProtocol.model_validate({"kind": "sts", "max_chars": 5})


def protocol(**changes: Any) -> EmbeddingProtocol:
    return PAIRS.model_copy(update={"kind": "retrieval", "max_chars": 60_000} | changes)


def test_a_pair_has_two_texts_and_others_one_each_cut() -> None:
    assert sample_texts({"sentence1": "a", "sentence2": "b" * 9}, PAIRS) == ["a", "bbbbb"]
    assert sample_texts({"text": "long text"}, protocol(max_chars=4)) == ["long"]


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"title": "T", "text": " body "}, "T  body"),
        ({"title": "", "text": " body "}, "body"),
        ({"title": None, "text": "body"}, "body"),
        ({"text": "body"}, "body"),
        ({"title": "T", "text": None}, "T"),
    ],
)
def test_a_document_has_its_title_in_front(row: Row, text: str) -> None:
    assert document_text(row, protocol()) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        (None, ""),
        (True, "true"),
        (3, "3"),
        (3.0, "3"),
        (0.5, "0.5"),
        ({"ä": [1]}, '{"ä":[1]}'),
        ("nul\x00", "nul\N{REPLACEMENT CHARACTER}"),
        ("half\ud800", "half\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_values_become_texts_that_can_be_stored_and_sent(value: object, text: str) -> None:
    assert as_text(value) == text


def test_ids_are_texts_or_whole_numbers() -> None:
    assert id_in({"_id": "a"}, "_id") == "a"
    assert id_in({"_id": 7}, "_id") == "7"


def test_lists_of_ids_may_be_written_as_json_and_name_each_once() -> None:
    assert ids_in({"ids": ["a", 7, "a"]}, "ids") == ["a", "7"]
    assert ids_in({"ids": '["a", 7]'}, "ids") == ["a", "7"]


def test_numbers_and_labels_may_be_texts() -> None:
    assert number_in({"score": "2.5"}, "score") == 2.5
    assert label_in({"label": 3}, "label") == "3"
    assert labels_in({"label": ["b", 1, "b"]}, "label") == ["b", "1"]
    assert labels_in({"label": "[]"}, "label") == []


@pytest.mark.parametrize(
    ("take", "values"),
    [
        (id_in, [True, None, 1.5, [], {}]),
        (ids_in, ["a", 3, None, [None], {}]),
        (number_in, ["much", "nan", "inf", True, None, [], 10**400]),
        (label_in, [None]),
        (labels_in, ["a", 3, None, {}]),
    ],
)
def test_values_of_other_kinds_are_unusable(
    take: Callable[[Row, str], object], values: list[object]
) -> None:
    for value in values:
        with pytest.raises(RowUnusable, match="`column`"):
            take({"column": value}, "column")
    with pytest.raises(RowUnusable, match="has no column `column`"):
        take({}, "column")


@pytest.mark.parametrize(
    "line", [b"{", b"[1]", b"3", b"[" * 100_000, b'{"n": ' + b"9" * 5000 + b"}"]
)
def test_a_line_that_is_no_row_is_unusable(line: bytes) -> None:
    with pytest.raises(RowUnusable):
        read_row(line)
