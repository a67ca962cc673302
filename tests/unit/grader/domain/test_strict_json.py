import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.domain.strict_json import (
    DEPTH_MAX,
    PARTS_MAX,
    STREAM_PARTS_MAX,
    Json,
    NotStrictJson,
    encode,
    parse,
)

texts = st.text().map(lambda text: text.replace("\0", ""))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_what_is_encoded_parses_as_itself(value: Json) -> None:
    assert parse(encode(value)) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_refused(raw: bytes) -> None:
    try:
        value = parse(raw)
    except NotStrictJson:
        return
    assert parse(encode(value)) == value


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "not JSON"),
        (b"{'a':1}", "not JSON"),
        (b"1 2", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        (b"NaN", "not finite"),
        (b"-Infinity", "not finite"),
        (b"1e999", "not finite"),
        (b"[-1e999]", "not finite"),
        (b'{"a":1,"a":1}', "twice"),
        (b'{"a":{"b":1,"b":2}}', "twice"),
        (b'"\\ud800"', "not valid Unicode"),
        (b'{"\\udfff":1}', "not valid Unicode"),
        (b"[" * 65 + b"]" * 65, "deeper"),
        (b"[" * 40_000 + b"]" * 40_000, "deeper"),
        (b"[" * 65 + b'"]' + b"]" * 64 + b'"' + b"]" * 65, "deeper"),
        (b"[" * 100_000 + b"]" * 100_000, "more than 50000 values"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "deeper"),
        (b"9" * 5_000, "beyond 64 bits"),
        (b'{"x":1' + b"0" * 400 + b"}", "beyond 64 bits"),
        (b"18446744073709551616", "beyond 64 bits"),
        (b"-9223372036854775809", "beyond 64 bits"),
        (b'"\\u0000"', "U\\+0000"),
        (b'{"\\\\\\u0000":1}', "U\\+0000"),
    ],
)
def test_what_parsers_disagree_on_is_refused(raw: bytes, says: str) -> None:
    with pytest.raises(NotStrictJson, match=says):
        parse(raw)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b' {"a" : [1, 2.50, -0.0, 1E+2]} ', {"a": [1, 2.5, -0.0, 100.0]}),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'"\\u0041"', "A"),
        (b"18446744073709551615", 2**64 - 1),
        (b"-9223372036854775808", -(2**63)),
        (b"-1e-400", -0.0),
        (rb'"\\u0000"', "\\u0000"),
        (b"[" * DEPTH_MAX + b"]" * DEPTH_MAX, None),
    ],
)
def test_strict_json_in_any_spelling_is_taken(raw: bytes, value: Json) -> None:
    parsed = parse(raw)

    assert value is None or parsed == value


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert parse(b"[" + b",".join([b"{}"] * 1_000) + b"]") == [{}] * 1_000


@pytest.mark.parametrize(
    "text", ["," * 60_000, "[{" * 60_000, '\\",[' * 60_000, "\\" * 60_001 + ","]
)
def test_brackets_and_commas_in_texts_do_not_count(text: str) -> None:
    value: Json = {"a": text, text: ["b", text]}

    assert parse(encode(value)) == value


@pytest.mark.parametrize(
    "piece", [b"[],", b"[], ", b"{},", b'"",', b'{"":0},', b"0,", b"[[]],", b'"\\"",']
)
def test_what_would_take_long_to_parse_is_refused_at_once(piece: bytes) -> None:
    raw = b"[" + piece * (6_000_000 // len(piece)) + b"0]"
    started = time.process_time()

    with pytest.raises(NotStrictJson, match="more than 50000 values"):
        parse(raw)

    assert time.process_time() - started < 0.25


def test_as_many_values_as_are_allowed_are_taken() -> None:
    raw = b"[" + b"0," * (PARTS_MAX - 1) + b"0]"

    assert parse(raw) == [0] * PARTS_MAX
    with pytest.raises(NotStrictJson, match="more than"):
        parse(b"[" + raw + b"]")


def test_a_frame_of_streamed_values_can_hold_nothing_but_values() -> None:
    raw = b"[" + b"0," * 131_070 + b"0]"

    assert len(raw) < STREAM_PARTS_MAX
    assert parse(raw, parts_max=STREAM_PARTS_MAX) == [0] * 131_071
