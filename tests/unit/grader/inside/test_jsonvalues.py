"""Tenant values as plain JSON."""

import enum
from collections import OrderedDict
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.inside.jsonvalues import (
    DEPTH_MAX,
    PARTS_MAX,
    NotJsonError,
    class_name,
    is_number,
    is_object,
    is_text,
    parsed_json,
    plain_json,
    plain_text,
    printable,
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
)


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Point(NamedTuple):
    x: int
    y: int


class LoudText(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "LOUD"


@given(JSON)
def test_what_is_json_already_stays_as_it_is(value: object) -> None:
    assert plain_json(value, bytes_max=1_000_000) == value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, (2,)), [1, [2]]),
        (OrderedDict(a=1), {"a": 1}),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Point(1, 2), [1, 2]),
        (LoudText("quiet"), "quiet"),
        ({1: "a", None: "b", False: "c"}, {"1": "a", "null": "b", "false": "c"}),
        (2**64 - 1, 2**64 - 1),
        (-(2**63), -(2**63)),
        (1e300, 1e300),
        ("1" * 30, "1" * 30),
    ],
)
def test_subclasses_come_out_as_their_plain_selves(value: object, expected: object) -> None:
    plain = plain_json(value, bytes_max=1_000)

    assert plain == expected
    assert type(plain) is type(expected)


def ring() -> list[object]:
    entries: list[object] = []
    entries.append(entries)
    return entries


def nested(levels: int) -> object:
    value: object = 0
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({1, 2}, "Object of type set is not JSON serializable"),
        (b"x", "bytes"),
        (float("nan"), "not JSON compliant"),
        ([float("inf")], "not JSON compliant"),
        ("\ud800", "not valid Unicode"),
        ({"\udfff": 1}, "not valid Unicode"),
        ({(1, 2): 1}, "keys must be"),
        (ring(), "Circular"),
        (nested(DEPTH_MAX + 1), "nests deeper"),
        (nested(100_000), "nests deeper"),
        ("x" * 2_000, "has 2002 bytes"),
        ("\N{EURO SIGN}" * 400, "has 1202 bytes"),
        pytest.param(10**5_000, "digits", id="huge"),
        pytest.param({"x": [10**400]}, "has a whole number beyond 64 bits", id="long"),
        (2**64, "beyond 64 bits"),
        ([-(2**63) - 1], "beyond 64 bits"),
    ],
)
def test_what_cannot_be_stored_is_named(value: object, message: str) -> None:
    with pytest.raises(NotJsonError, match=message):
        plain_json(value, bytes_max=1_000)


def test_nesting_up_to_the_limit_is_taken() -> None:
    assert plain_json(nested(DEPTH_MAX), bytes_max=1_000) == nested(DEPTH_MAX)


def test_many_lists_side_by_side_are_not_deep() -> None:
    wide = [[1] for _ in range(500)]

    assert plain_json(wide, bytes_max=10_000) == wide


@pytest.mark.parametrize(
    "value", [[0] * (PARTS_MAX + 1), [{}] * PARTS_MAX, {"a": [[0]] * PARTS_MAX}]
)
def test_more_values_than_the_host_would_read_are_refused(value: object) -> None:
    with pytest.raises(NotJsonError, match="has more than 40000 values"):
        plain_json(value, bytes_max=1_000_000)


def test_commas_in_texts_are_no_values() -> None:
    assert plain_json("[," * PARTS_MAX, bytes_max=1_000_000) == "[," * PARTS_MAX


def test_an_object_that_pretends_to_be_a_number_is_none() -> None:
    pretender = type("Pretender", (), {"__class__": property(lambda _: float)})()

    assert isinstance(pretender, float)
    assert not is_number(pretender)


def test_kinds_are_told_by_the_real_class() -> None:
    assert is_number(Level.HIGH)
    assert is_text(Colour.RED)
    assert is_object(OrderedDict())
    assert not is_object([("a", 1)])


def test_a_text_of_a_subclass_becomes_exact() -> None:
    assert type(plain_text(LoudText("quiet"))) is str
    assert plain_text(LoudText("quiet")) == "quiet"


def test_a_long_name_is_cut() -> None:
    assert class_name(type("A" * 1_000_000, (), {})()) == "A" * 80


def test_a_class_with_a_forged_name_shows_its_real_one() -> None:
    metaclass = type("Meta", (type,), {"__name__": property(lambda _: 1 / 0)})

    assert class_name(metaclass("Real", (), {})()) == "Real"


@given(st.text(st.characters()))
def test_printable_text_can_always_be_encoded_and_has_no_nul(text: str) -> None:
    assert b"\0" not in printable(text).encode()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, null]}', {"a": [1, None]}),
        (" 4 ", 4),
        ('"x"', "x"),
        ("4 apples", None),
        ("NaN", None),
        ("[1e999]", [float("inf")]),
        ("[" * 100_000, None),
        ("9" * 5_000, None),
        ("", None),
        (None, None),
    ],
)
def test_a_text_that_is_json_as_a_whole_is_parsed(text: str | None, value: object) -> None:
    assert parsed_json(text) == value
