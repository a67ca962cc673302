import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.text import (
    REASONING_BYTES_MAX,
    TRUNCATION_MARKER,
    cut_at_stops,
    cut_reasoning,
    storable,
    storable_object,
)


def test_nul_is_replaced_and_nothing_else() -> None:
    assert storable("a\x00b\ud7ff") == "a\ufffdb\ud7ff"
    assert storable("plain") == "plain"


@pytest.mark.parametrize(
    ("document", "stored"),
    [
        (b'{"score": 1.0}', {"score": 1.0}),
        (rb'{"a\u0000": 1}', {"a\ufffd": 1}),
        (rb'{"\ud800x": 1}', {"\ufffdx": 1}),
        (rb'{"\u00e9\ud83d\ude00": 1}', {"é😀": 1}),
    ],
)
def test_keys_of_scores_become_what_jsonb_can_hold(
    document: bytes, stored: dict[str, float]
) -> None:
    assert json.loads(storable_object(document)) == stored


def test_short_reasoning_is_kept() -> None:
    assert cut_reasoning("é" * 10) == "é" * 10


@given(st.text(min_size=1))
def test_long_reasoning_is_cut_between_characters_and_says_so(piece: str) -> None:
    kept = cut_reasoning(piece * (REASONING_BYTES_MAX // len(piece) + 1) + "é")

    assert len(kept.encode()) <= REASONING_BYTES_MAX
    assert kept.endswith(TRUNCATION_MARKER)


@pytest.mark.parametrize(
    ("text", "stops", "kept"),
    [
        ("one\ntwo", ["\n"], "one"),
        ("one", ["\n"], "one"),
        ("abcd", ["d", "bc"], "a"),
        ("abcd", ["bcd", "b"], "a"),
        ("abcd", ["", "c"], "ab"),
        ("stop", ["stop"], ""),
        ("aXbX", ["bX", "Xb"], "a"),
        ("text", [], "text"),
    ],
)
def test_the_answer_ends_before_the_earliest_stop(text: str, stops: list[str], kept: str) -> None:
    assert cut_at_stops(text, stops) == kept


@given(st.text("ab", max_size=12), st.lists(st.text("ab", min_size=1, max_size=3), max_size=4))
def test_no_stop_survives_and_nothing_before_it_is_lost(text: str, stops: list[str]) -> None:
    kept = cut_at_stops(text, stops)

    assert text.startswith(kept)
    assert not any(stop in kept for stop in stops)
    assert kept == text or any(text.startswith(stop, len(kept)) for stop in stops)
