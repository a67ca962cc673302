import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.domain.strict_json import DEPTH_MAX, Json, NotStrictJson, encode, parse

texts = st.text().map(lambda text: text.replace("\0", ""))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(10**40), max_value=10**40)
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
        (b"[" * 100_000 + b"]" * 100_000, "deeper"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "deeper"),
        (b"9" * 5_000, "too long"),
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
        (b"1180591620717411303424", 2**70),
        (b"-1e-400", -0.0),
        (b"[" * DEPTH_MAX + b"]" * DEPTH_MAX, None),
    ],
)
def test_strict_json_in_any_spelling_is_taken(raw: bytes, value: Json) -> None:
    parsed = parse(raw)

    assert value is None or parsed == value


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert parse(b"[" + b",".join([b"{}"] * 1_000) + b"]") == [{}] * 1_000


def test_whole_numbers_of_any_size_stay_whole() -> None:
    value = parse(b"123456789012345678901234567890")

    assert isinstance(value, int)
    assert encode(value) == b"123456789012345678901234567890"
    assert not math.isinf(value)
