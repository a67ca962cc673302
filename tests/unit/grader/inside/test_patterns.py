"""Regular expressions of the manifest."""

import re

import pytest

from grader.inside.patterns import BadRegexError, compiled


@pytest.mark.parametrize(
    ("pattern", "flags", "text", "found"),
    [
        ("(?<num>[0-9]+)", None, "a12", "12"),
        ("(?P<num>[0-9]+)", None, "a12", "12"),
        ("(?<=a)(?<!x)(?<n>1)", None, "a1", "1"),
        (r"(?<q>['\"])x\k<q>", None, "'x'", "'"),
        (r"\(?<(a)", None, "(<a", "a"),
        (r"[(?<a>]+", None, "?<a>(", "?<a>("),
        (r"[](?<a>]+(?<b>z)", None, "](z", "z"),
        (r"[^](?<](?<b>z)", None, "az", "z"),
        ("a # (?<n>b [\n(?<n>c)", "x", "ac", "c"),
        ("(?x) a # [\n (?<n>c)", None, "ac", "c"),
        ("(?#[)(?<n>c)", None, "c", "c"),
        (r"\\(?<n>c)", None, r"\c", "c"),
        ("(?<größe>1)", None, "1", "1"),
    ],
)
def test_named_groups_of_javascript_work_and_nothing_else_is_touched(
    pattern: str, flags: str | None, text: str, found: str
) -> None:
    expression, group = compiled(pattern, flags, None)

    match = expression.search(text)

    assert match is not None
    assert match[group] == found


@pytest.mark.parametrize(
    ("pattern", "group", "settled"),
    [("a", None, 0), ("(a)", None, 1), ("(a)", 0, 0), ("(a)", "1", 1), ("(?<n>a)", "n", "n")],
)
def test_the_group_of_the_result_is_settled(
    pattern: str, group: int | str | None, settled: int | str
) -> None:
    assert compiled(pattern, None, group)[1] == settled


@pytest.mark.parametrize(
    ("pattern", "flags", "group", "message"),
    [
        ("(", None, None, "missing ), unterminated subpattern at position 0"),
        ("a\n(", None, None, "missing ), unterminated subpattern at line 2, column 1"),
        ("a", "iq", None, "unknown flag 'q'"),
        ("a", None, 1, "no group 1"),
        ("(a)", None, 2, "no group 2"),
        ("(a)", None, -1, "no group -1"),
        ("(a)", None, "n", "no group 'n'"),
        ("(a)", None, True, "no group True"),
        ("(a)", None, "9" * 5000, "no group"),
        ("(?<1>a)", None, None, "unknown extension"),
        ("a{99999999999999999999}", None, None, "repetition number is too large"),
        ("(?L)a", None, None, "cannot use 'L' flag"),
        ("(" * 5000 + ")" * 5000, None, None, "recursion"),
        ("a**", None, None, "multiple repeat"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused_with_its_reason(
    pattern: str, flags: str | None, group: int | str | None, message: str
) -> None:
    with pytest.raises(BadRegexError, match=re.escape(message)):
        compiled(pattern, flags, group)


def test_a_pattern_that_python_warns_about_compiles() -> None:
    assert compiled("[[a]", None, None)[0].search("[") is not None
