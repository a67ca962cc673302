"""Templates of the manifest."""

import pytest

from grader.inside.jobs import JsonObject
from grader.inside.templates import (
    RENDERED_BYTES_MAX,
    TemplateFailedError,
    TemplateInvalidError,
    compile_template,
    visible_names,
)

ROW: JsonObject = {
    "question": "2+2?",
    "my column": "odd",
    "none": None,
    "yes": True,
    "parts": ["é", {"a": 1}],
    "html": "<b>",
    "n": 1.5,
}


def rendered(source: str, row: JsonObject | None = None, choices: list[str] | None = None) -> str:
    names = visible_names(
        ROW if row is None else row, task_id="sums", sample_index=3, choices=choices
    )
    return compile_template(source).render(names)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Q: {{question}}\n", "Q: 2+2?\n"),
        ("\n  {{ question }}  \n\n", "\n  2+2?  \n\n"),
        ("{% if yes %}\nx\n{% endif %}\n", "\nx\n\n"),
        ("{{ html }}", "<b>"),
        ("[{{ none }}] {{ yes }} {{ n }} {{ parts }}", '[] true 1.5 ["é",{"a":1}]'),
        ('{{ row["my column"] }} {{ row.question }}', "odd 2+2?"),
        ("{{ task_id }} {{ sample_index }}", "sums 3"),
        ("{{ missing | default('d') }}", "d"),
        ("{{ missing is defined }}", "false"),
        ("{{ question | upper }} {{ parts | length }} {{ parts | first }}", "2+2? 2 é"),
        ("{{ ' a ' | trim }}{{ ' b ' | strip }}", "ab"),
        ("{{ 'a,b' | split(',') | join('-') }}", "a-b"),
        ("{{ [yes, none, n] | join(' ') }}", "true  1.5"),
        ("{{ [{'k': 1}, {'k': yes}] | join('+', attribute='k') }}", "1+true"),
        ("{{ {'é': '<'} | json }} {{ {'b': '<'} | tojson }}", '{"é":"<"} {"b": "\\u003c"}'),
        ("{{ 2 | letter }} {{ 'b' | index(['a', 'b']) | letter }}", "C B"),
        ("{{ '12' | int + 1 }} {{ '1.5' | float }} {{ 3.14159 | round(2) }}", "13 1.5 3.14"),
        ("{{ 'aXa' | replace('X', '-') | lower }} {{ [1, 2] | last }}", "a-a 2"),
        ("{% for p in parts %}{{ loop.index }}{{ p }};{% endfor %}", '1é;2{"a":1};'),
        ("{% macro m(x) %}[{{ x }}]{% endmacro %}{{ m(none) }}{{ m(yes) }}", "[][true]"),
        ("{% set x %}{{ yes }}{% endset %}{{ x }}", "true"),
        ("{% block b %}{{ n }}{% endblock %}", "1.5"),
        ("{{ '%s-%d' % ('a', 2) }} {{ 'ab' * 2 }} {{ 2 ** 10 }}", "a-2 abab 1024"),
        ("{{ '{} {x}'.format(1, x=2) }}", "1 2"),
        ("{# a comment #}{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        ("{{ none == None and yes == true }}", "true"),
        ("", ""),
    ],
)
def test_templates_render(source: str, text: str) -> None:
    assert rendered(source) == text


def test_choices_are_visible_once_they_exist() -> None:
    assert rendered("{{ choices | join('/') }}", choices=["a", "b"]) == "a/b"
    with pytest.raises(TemplateFailedError, match="'choices' is undefined"):
        rendered("{{ choices }}")


def test_a_column_hides_our_names_but_never_the_row() -> None:
    row: JsonObject = {"choices": 1, "task_id": 2, "sample_index": 3, "row": 4, "range": 5}

    source = "{{ choices }}{{ task_id }}{{ sample_index }}{{ range }} {{ row['row'] }}"

    assert rendered(source, row, ["a", "b"]) == "1235 4"


def test_a_column_that_is_no_name_is_reached_through_the_row_only() -> None:
    with pytest.raises(TemplateFailedError, match="'my' is undefined"):
        rendered("{{ my }}")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ missing }}", "line 1: 'missing' is undefined"),
        ("a\nb\n{{ row.missing }}", "line 3: 'dict object' has no attribute 'missing'"),
        ("{% if missing %}{% endif %}", "'missing' is undefined"),
        ("{{ missing | upper }}", "'missing' is undefined"),
        ("{{ missing | json }}", "'missing' is undefined"),
        ("{{ [missing] }}", "StrictUndefined"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{{ question + 1 }}", "TypeError"),
        ("{{ range }}", "cannot be written as text"),
        ("{{ 'z' | index(['a']) }}", "not in the list"),
        ("{{ question.__class__ }}", "access to attribute '__class__'"),
        ("{{ '{0.__class__}'.format(1) }}", "access to attribute '__class__'"),
        ("{{ parts.append(1) }}", "access to attribute 'append'"),
        ("{{ question.upper.__self__ }}", "unsafe"),
        ("{{ lipsum() }}", "'lipsum' is undefined"),
        ("{% for i in range(10 ** 9) %}{% endfor %}", "Range too big"),
        ("{{ 'a' * 10 ** 9 }}", "too large"),
        ("{{ 10 ** 9 * [1] }}", "too large"),
        ("{{ 10 ** (10 ** 10) }}", "too large"),
        ("{{ (2 ** 9000) * (2 ** 9000) * (2 ** 9000) }}", "too large"),
        ("{% for i in range(90000) %}{{ 'x' * 100 }}{% endfor %}", "more than 1048576 bytes"),
        ("{{ '\\ud800' }}", "not valid Unicode"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "RecursionError"),
    ],
)
def test_what_cannot_be_rendered_says_why(source: str, message: str) -> None:
    with pytest.raises(TemplateFailedError, match=message.replace("(", r"\(")):
        rendered(source)


def test_a_template_that_runs_too_long_is_stopped() -> None:
    endless = compile_template(
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    )

    with pytest.raises(TemplateFailedError, match=r"more than 0\.05 s"):
        endless.render({}, limit_s=0.05)


def test_the_largest_text_is_rendered_whole() -> None:
    row: JsonObject = {"x": "é" * (RENDERED_BYTES_MAX // 2)}

    assert rendered("{{ x }}", row) == row["x"]
    with pytest.raises(TemplateFailedError, match="more than"):
        rendered("{{ x }}.", row)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ x", "line 1: unexpected end of template"),
        ("a\n{% if %}", "line 2: Expected an expression"),
        ("{% for x in y %}", "Unexpected end of template"),
        ("{{ x | nope }}", "line 1: No filter named 'nope'"),
        ("{{ x is nope }}", "No test named 'nope'"),
        ("{% nope %}", "unknown tag 'nope'"),
        ("{% do x %}", "unknown tag 'do'"),
        ("\n{% include 'x' %}", "line 2: include is not available"),
        ("{% import 'x' as y %}", "import is not available"),
        ("{% from 'x' import y %}", "from is not available"),
        ("{% extends 'x' %}", "extends is not available"),
        ("{% if a %}{% if b %}{% include c %}{% endif %}{% endif %}", "include is not available"),
        ("{{ " + "(" * 5_000 + ")" * 5_000 + " }}", "too deeply"),
        ("{% for a in b %}" * 30 + "{% endfor %}" * 30, "too deeply"),
        ("{{ '\\N{nope}' }}", "line 1: "),
    ],
)
def test_what_is_no_template_says_where(source: str, message: str) -> None:
    with pytest.raises(TemplateInvalidError, match=message):
        compile_template(source)


@pytest.mark.parametrize(
    "source", ["{{ 'x' | center(10 ** 8) }}", "{{ 1 / 0 }}", "{{ 9 ** 9 ** 9 }}"]
)
def test_compiling_evaluates_nothing(source: str) -> None:
    assert compile_template(source)


def test_a_random_pick_is_the_same_for_the_same_sample() -> None:
    source = compile_template("{{ range(1000) | random }}")
    picks = [
        source.render(visible_names({}, task_id="t", sample_index=index)) for index in (1, 1, 2)
    ]

    assert picks[0] == picks[1] != picks[2]
