import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.domain.json_row import RowInvalid, parse_row, write_row

leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
)
keys = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
values = st.recursive(
    leaves, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=20
)


@given(row=st.dictionaries(keys, values))
def test_every_row_that_json_can_write_comes_back_the_same(row: dict[str, object]) -> None:
    assert orjson.loads(write_row(parse_row(json.dumps(row)))) == row


def test_a_written_row_is_compact_and_keeps_the_order_of_keys() -> None:
    assert write_row(parse_row(' {"b": 1,  "a": ["\\u00e9", 1.0]} ')) == (
        '{"b":1,"a":["é",1.0]}'.encode()
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "is not valid JSON"),
        ('{"a": 1} {"b": 2}', "is not valid JSON: Extra data"),
        ('{"a": "tab\tinside"}', "is not valid JSON"),
        ("[1]", "is not a JSON object"),
        ('"text"', "is not a JSON object"),
        ("null", "is not a JSON object"),
        ('{"a": NaN}', "holds NaN"),
        ('{"a": [-Infinity]}', "holds -Infinity"),
        ('{"a": 1e999}', "holds a number that is too large"),
        ('{"a": 18446744073709551616}', "holds an integer beyond 64 bits"),
        ('{"a": -9223372036854775809}', "holds an integer beyond 64 bits"),
        (f'{{"a": {"9" * 5000}}}', "holds an integer beyond 64 bits"),
        ('{"a": {"b": 1, "c": 2, "b": 3}}', 'has the key "b" twice'),
        ('{"a": "\\ud800"}', "holds half of a surrogate pair"),
        ('{"\\udc00": 1}', "holds half of a surrogate pair"),
        ('{"a": ["x\\u0000"]}', "holds a NUL character"),
        ('{"a\\u0000": 1}', "holds a NUL character"),
        (f'{{"a": {"[" * 60}{"]" * 60}}}', "is nested deeper than 60 levels"),
        (f'{{"a": {"[" * 100_000}{"]" * 100_000}}}', "is nested deeper than 60 levels"),
        (json.dumps({"a": [0] * 250_000}), "has more than 250000 values"),
    ],
)
def test_what_a_later_reader_would_choke_on_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(RowInvalid, match=sentence.replace("-", r"\-")):
        write_row(parse_row(text))


def test_what_only_looks_bad_is_let_in() -> None:
    flat = f'{{"a": [{",".join(["[]"] * 200)}]}}'
    deep = f'{{"a": {"[" * 59}{"]" * 59}}}'

    assert parse_row(flat)["a"] == [[]] * 200
    assert write_row(parse_row(deep))
    assert parse_row('{"a": "\\\\u0000"}') == {"a": "\\u0000"}
    assert write_row({"a": "\\u0000"}) == b'{"a":"\\\\u0000"}'
    assert write_row({"a": [0] * 249_998, "b": 'a "quoted, \\", text[,{' * 100_000})
    assert parse_row('{"a": "\\ud83d\\ude00"}') == {"a": "😀"}
