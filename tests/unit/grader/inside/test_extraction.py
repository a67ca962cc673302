"""How answers are cut out of texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.inside.extraction import (
    ExtractionTimeoutError,
    extract,
    first_label,
    first_lines,
    first_number,
)


def test_no_extraction_keeps_the_text_with_its_white_space() -> None:
    assert extract({"type": "none"}, " 4 \n") == " 4 \n"
    assert extract(None, " 4 \n") == " 4 \n"


@pytest.mark.parametrize("kind", ["none", "take_first", "number"])
def test_no_text_gives_no_answer(kind: str) -> None:
    assert extract({"type": kind}, None) is None


@pytest.mark.parametrize(
    ("text", "count", "expected"),
    [
        ("  first \n second", 1, "first"),
        ("\n\n first\r\n\r\nsecond\nthird", 2, "first\nsecond"),
        ("one\n   \ntwo", 5, "one\ntwo"),
        (" a \n b ", 2, "a \n b"),
        ("only", 3, "only"),
        (" \n\t\n", 1, None),
        ("", 1, None),
    ],
)
def test_the_first_lines_are_those_that_are_not_blank(
    text: str, count: int, expected: str | None
) -> None:
    assert first_lines(text, count) == expected


def test_one_line_is_taken_when_no_count_is_given() -> None:
    assert extract({"type": "take_first"}, "a\nb") == "a"


@pytest.mark.parametrize(
    ("pattern", "text", "first", "last"),
    [
        ("[0-9]+", "a 1 b 22", "1", "22"),
        ("answer: *(.*)", "answer: x \nanswer: y ", "x", "y"),
        ("a(b)?", "a ab a", None, None),
        ("a(b)?", "ab a", "b", None),
        ("aa", "aaa", "aa", "aa"),
        ("z", "abc", None, None),
        ("x( *)y", "x  y", "", ""),
    ],
)
def test_a_pattern_gives_its_first_or_last_match(
    pattern: str, text: str, first: str | None, last: str | None
) -> None:
    assert extract({"type": "regex", "pattern": pattern}, text) == first
    assert extract({"type": "regex_last", "pattern": pattern}, text) == last


@pytest.mark.parametrize(
    ("group", "expected"), [(None, "1"), (0, "1-2"), (1, "1"), (2, "2"), ("b", "2"), ("2", "2")]
)
def test_the_result_of_a_pattern_is_the_group_that_was_asked_for(
    group: int | str | None, expected: str
) -> None:
    pattern = "([0-9])-(?<b>[0-9])"

    assert extract({"type": "regex", "pattern": pattern, "group": group}, "x 1-2") == expected


@pytest.mark.parametrize(
    ("flags", "expected"), [(None, None), ("i", "b"), ("is", "b\nc"), ("gu", None), ("gim", "b")]
)
def test_flags_change_the_search(flags: str | None, expected: str | None) -> None:
    assert extract({"type": "regex", "pattern": "A(.*)", "flags": flags}, "ab\nc") == expected


@pytest.mark.parametrize("kind", ["regex", "regex_last"])
def test_a_pattern_that_backtracks_without_end_is_stopped(kind: str) -> None:
    with pytest.raises(ExtractionTimeoutError, match=r"more than 0\.05 s"):
        extract({"type": kind, "pattern": "(a+)+$"}, "a" * 60 + "b", limit_s=0.05)


def test_a_search_without_a_match_in_a_long_text_is_stopped_too() -> None:
    with pytest.raises(ExtractionTimeoutError):
        extract({"type": "regex_last", "pattern": "a*b"}, "a" * 50_000, limit_s=0.05)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The answer is 42.", "42"),
        ("1,234,567.89 units", "1234567.89"),
        ("12\N{THIN SPACE}345 and 6", "12345"),
        ("12\N{NARROW NO-BREAK SPACE}345", "12345"),
        ("1,2,3", "1"),
        ("1,2345", "1"),
        ("1234,567", "1234"),
        ("12 345", "12"),
        ("$-5.00", "-5.00"),
        ("-$1,000", "-1000"),
        ("\u20ac 99.50", "99.50"),
        ("+7", "7"),
        ("-0.50", "-0.50"),
        ("\N{MINUS SIGN}3", "-3"),
        ("3-5", "3"),
        ("GPT-4", "4"),
        ("- 5", "5"),
        ("50%", "50"),
        (".5", ".5"),
        ("-.5", "-.5"),
        ("x.5", "5"),
        ("1.2.3", "1.2"),
        ("007", "007"),
        ("6.02e23 and", "6.02e23"),
        ("1e-5", "1e-5"),
        ("2E+3", "2E+3"),
        ("5em", "5"),
        ("2e", "2"),
        ("18\n\n19", "18"),
        ("no digits", None),
        ("\u0664\u0662", None),
        ("", None),
    ],
)
def test_the_first_number_is_found_and_normalised(text: str, expected: str | None) -> None:
    assert first_number(text) == expected


@given(st.integers(), st.sampled_from(["{}", "is {:,}.", "(${:,})", "{:+,}%", "a: {} b"]))
def test_a_whole_number_comes_back_however_it_is_written(number: int, frame: str) -> None:
    found = first_number(frame.format(number))

    assert found is not None
    assert int(found) == number


@given(
    st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["{!r}", "{:,}", "= {!r}"])
)
def test_a_decimal_number_comes_back_however_it_is_written(number: float, frame: str) -> None:
    found = first_number(frame.format(number))

    assert found is not None
    assert float(found) == number


@given(st.text())
def test_whatever_is_found_as_a_number_is_one_for_python(text: str) -> None:
    found = first_number(text)

    assert found is None or isinstance(float(found), float)
    assert found is None or ("," not in found and not found.startswith("+"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Yes ", "yes"),
        ("**No**.", "NO"),
        ('"yes!"', "yes"),
        ("(\u201cno\u201d)...", "NO"),
        ("I say no, not yes", "NO"),
        ("yesterday, notably", None),
        ("yes_no", "yes"),
        ("not sure at all", "not sure"),
        ("not surely", None),
        ("no: not sure", "NO"),
        ("maybe", None),
        ("", None),
    ],
)
def test_a_label_is_recognised_alone_wrapped_or_inside_a_sentence(
    text: str, expected: str | None
) -> None:
    assert first_label(text, ["yes", "NO", "not sure", "not"][:3]) == expected


def test_the_longest_label_wins_at_the_same_place() -> None:
    assert first_label("I am not sure.", ["not", "not sure"]) == "not sure"
    assert first_label("I am not surely", ["not", "not sure"]) == "not"


def test_case_counts_when_it_is_asked_for() -> None:
    assert first_label("yes", ["Yes", "No"], case_sensitive=True) is None
    assert first_label("it is No", ["Yes", "No"], case_sensitive=True) == "No"
    assert first_label("A or a", ["a", "A"], case_sensitive=True) == "A"


def test_a_bracketed_label_is_found_as_it_is_spelled() -> None:
    assert first_label("I choose **(B)**.", ["(A)", "(B)"]) == "(B)"


def test_case_is_ignored_also_where_lowering_changes_the_length() -> None:
    assert first_label("\u0130\u0130 then OK", ["ok"]) == "ok"


def test_a_label_of_letters_that_touch_digits_is_not_found() -> None:
    assert first_label("B12 is it", ["B"]) is None
    assert first_label("12-B is it", ["B"]) == "B"


def test_a_hostile_text_for_a_label_set_is_stopped() -> None:
    labels = ["a" * length for length in range(1, 200)]

    with pytest.raises(ExtractionTimeoutError):
        extract({"type": "label_set", "labels": labels}, "a" * 50_000, limit_s=0.05)


@given(st.lists(st.sampled_from(["yes", "no", "maybe", "A", "B2"]), min_size=1), st.text())
def test_what_a_label_set_gives_is_a_label_or_nothing(labels: list[str], text: str) -> None:
    assert first_label(text, labels) in {*labels, None}
    assert first_label(labels[0], labels) == labels[0]
