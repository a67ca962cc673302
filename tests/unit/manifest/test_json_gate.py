import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifest.json_gate import DEPTH_MAX, VALUES_MAX, open_json


def predicates(raw: bytes) -> list[str]:
    return [p.predicate for p in open_json(raw, reason="BAD", bytes_max=10_000).problems]


@pytest.mark.parametrize(
    ("raw", "predicate"),
    [
        (b"", "is not valid JSON"),
        (b'{"a": 1,}', "line 1, column"),
        (b"{'a': 1}", "is not valid JSON"),
        (b"\xff{}", "byte 0 is wrong"),
        (b"[]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'{"a": NaN}', "is not a finite number"),
        (b'{"a": -Infinity}', "is not a finite number"),
        (b'{"a": 1e999}', "beyond a double"),
        (b'{"a": 9223372036854775808}', "beyond 64 bits"),
        (b'{"a": ' + b"9" * 5000 + b"}", "beyond 64 bits"),
        (b'{"a": "\\u0000"}', "NUL"),
        (b'{"\\u0000": 1}', "NUL"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"a": 1, "a": 2}', "occurs more than once"),
        (b'{"a": ' + b"[" * DEPTH_MAX + b"]" * DEPTH_MAX + b"}", "deeper than 64"),
        (b'{"a": ' + b"[" * 4000, "is"),
        (b"{}" + b" " * 10_000, "at most 10000 are allowed"),
    ],
)
def test_what_others_could_not_store_or_read_alike_is_refused(raw: bytes, predicate: str) -> None:
    assert predicate in predicates(raw)[0]


def test_ninety_thousand_open_brackets_are_a_problem_and_not_a_crash() -> None:
    opened = open_json(b"[" * 90_000, reason="BAD", bytes_max=200_000)

    assert opened.document is None
    assert opened.problems[0].predicate == "is nested deeper than 64 levels"


def test_the_deepest_allowed_nesting_passes() -> None:
    depth = DEPTH_MAX - 1

    assert predicates(b'{"a": ' + b"[" * depth + b"]" * depth + b"}") == []


def test_a_byte_order_mark_is_dropped() -> None:
    opened = open_json(b'\xef\xbb\xbf{"a": 1}', reason="BAD", bytes_max=100)

    assert opened.document == {"a": 1}


def test_all_problems_are_reported_with_their_places() -> None:
    raw = b'{"a": {"b": [1, NaN]}, "c": 1, "c": "\\u0000"}'

    opened = open_json(raw, reason="BAD", bytes_max=100)

    assert [p.location for p in opened.problems] == [("c",), ("a", "b", 1), ("c",)]
    assert {p.reason for p in opened.problems} == {"BAD"}


@given(st.binary(max_size=200))
def test_any_bytes_give_a_document_or_a_problem(raw: bytes) -> None:
    opened = open_json(raw, reason="BAD", bytes_max=100)

    assert (opened.document is not None) or opened.problems


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    lambda children: st.lists(children) | st.dictionaries(st.text("abc"), children),
    max_leaves=20,
)


@given(st.dictionaries(st.text("abc"), JSON_VALUES))
def test_good_json_passes_unchanged(document: dict[str, object]) -> None:
    opened = open_json(json.dumps(document).encode(), reason="BAD", bytes_max=10**6)

    assert opened.problems == ()
    assert opened.document == document


@pytest.mark.parametrize("entry", [b"{}", b"[]", b'""', b"0", b'{"a":1}'])
def test_a_document_of_too_many_values_is_refused_before_it_is_built(entry: bytes) -> None:
    raw = b'{"a":[' + b",".join([entry] * VALUES_MAX) + b"]}"

    opened = open_json(raw, reason="BAD", bytes_max=len(raw))

    assert opened.document is None
    assert [p.predicate for p in opened.problems] == [f"has more than {VALUES_MAX} values"]


def test_as_many_values_as_are_allowed_are_read() -> None:
    raw = b'{"a":[' + b",".join([b"0"] * (VALUES_MAX - 2)) + b"]}"

    opened = open_json(raw, reason="BAD", bytes_max=len(raw))

    assert opened.problems == ()
    assert opened.document == {"a": [0] * (VALUES_MAX - 2)}


def test_signs_in_texts_are_not_values() -> None:
    text = '[{,}] "quoted" back\\slash \\" \\\\",' * 10_000
    raw = json.dumps({"a": text, "b": text + "\\"}).encode()

    opened = open_json(raw, reason="BAD", bytes_max=len(raw))

    assert opened.problems == ()
