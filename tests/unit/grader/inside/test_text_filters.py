"""Values as text in templates, and our filters."""

from collections.abc import Callable

import jinja2
import pytest

from grader.inside.text_filters import index, json_text, letter, split, strip, to_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (" a\n", " a\n"),
        (None, ""),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-12, "-12"),
        (1.0, "1.0"),
        (0.1, "0.1"),
        (1e22, "1e+22"),
        ([], "[]"),
        (["é", 1, None, {"a": True}], '["é",1,null,{"a":true}]'),
        ({"b": 1, "a": "<"}, '{"b":1,"a":"<"}'),
        ((1, 2), "[1,2]"),
        (range(3), "[0,1,2]"),
        (map(str, [1]), '["1"]'),
        ({"a": 1}.keys(), '["a"]'),
    ],
)
def test_values_are_written_in_their_json_form(value: object, text: str) -> None:
    assert to_text(value) == text


@pytest.mark.parametrize("value", [object(), len, {1, 2}, b"x", [object()], type])
def test_what_json_lacks_is_not_written(value: object) -> None:
    with pytest.raises(TypeError):
        to_text(value)


@pytest.mark.parametrize("write", [to_text, json_text, strip, split, letter])
def test_what_does_not_exist_is_an_error_in_every_filter(write: Callable[[object], object]) -> None:
    with pytest.raises((jinja2.UndefinedError, TypeError, ValueError), match="'x' is undefined"):
        write(jinja2.StrictUndefined(name="x"))


@pytest.mark.parametrize(
    ("place", "name"),
    [(0, "A"), (1, "B"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA"), ("2", "C")],
)
def test_places_have_letters(place: object, name: str) -> None:
    assert letter(place) == name


@pytest.mark.parametrize("place", [-1, True, 1.0, None, "x", "-1"])
def test_only_whole_numbers_from_zero_have_letters(place: object) -> None:
    with pytest.raises(ValueError, match=r"whole number|invalid literal"):
        letter(place)


@pytest.mark.parametrize(
    ("value", "entries", "place"),
    [("b", ["a", "b"], 1), (4, ["3", "4"], 1), ("true", [False, True], 1), (None, ["a", ""], 1)],
)
def test_a_place_is_found_by_the_text_of_a_value(
    value: object, entries: list[object], place: int
) -> None:
    assert index(value, entries) == place


def test_a_value_that_is_not_in_the_list_is_an_error() -> None:
    with pytest.raises(ValueError, match="'z' is not in the list"):
        index("z", ["a"])


def test_text_is_cut_and_stripped() -> None:
    assert split("a, b,c", ",") == ["a", " b", "c"]
    assert split(" a  b ") == ["a", "b"]
    assert split("a-b-c", "-", 1) == ["a", "b-c"]
    assert strip(" a ") == "a"
    assert strip("**a**", "*") == "a"
