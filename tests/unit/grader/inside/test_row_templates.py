"""The texts of one row."""

import pytest

from grader.inside.jsonvalues import Json
from grader.inside.row_templates import RowTemplates, RowTexts
from grader.inside.templates import TemplateFailedError, TemplateInvalidError


def test_choices_come_first_and_are_visible_to_target_and_prompt() -> None:
    templates = RowTemplates(
        "t",
        prompt="{{ q }}: {{ choices | join(', ') }}",
        target="{{ answer | letter }}",
        choices=["{{ a }}", "{{ b }}!"],
    )

    texts = templates.render({"q": "Which?", "a": 1, "b": True, "answer": 1}, 0)

    assert texts == RowTexts("Which?: 1, true!", "B", ["1", "true!"])


@pytest.mark.parametrize(
    ("value", "target"),
    [("x ", "x "), (4, "4"), (None, ""), (True, "true"), ([1, "é"], '[1,"é"]')],
)
def test_without_a_template_the_column_target_is_the_target(value: Json, target: str) -> None:
    row = RowTemplates("t", prompt="p", target=None, choices=None).render({"target": value}, 0)

    assert row.target == target


def test_a_target_template_wins_over_the_column() -> None:
    templates = RowTemplates("t", prompt="p", target="<{{ target }}>", choices=None)

    assert templates.render({"target": "x"}, 0).target == "<x>"


def test_without_template_and_column_there_is_no_target() -> None:
    texts = RowTemplates("t", prompt="p", target=None, choices=None).render({"a": 1}, 0)

    assert texts == RowTexts("p", None, None)


def test_task_and_index_are_visible() -> None:
    templates = RowTemplates(
        "t", prompt="{{ task_id }}{{ sample_index }}", target=None, choices=None
    )

    assert templates.render({}, 7).prompt == "t7"


@pytest.mark.parametrize(
    ("prompt", "target", "choices", "message"),
    [
        ("{{ no }}", None, None, "prompt_template: line 1: 'no' is undefined"),
        ("p", "{{ no }}", None, "target_template: line 1: 'no' is undefined"),
        ("p", None, ["a", "{{ no }}"], r"choices\[1\]: line 1: 'no' is undefined"),
    ],
)
def test_an_error_names_the_template(
    prompt: str, target: str | None, choices: list[str] | None, message: str
) -> None:
    templates = RowTemplates("t", prompt=prompt, target=target, choices=choices)

    with pytest.raises(TemplateFailedError, match=message):
        templates.render({"q": 1}, 0)


def test_templates_are_compiled_at_once() -> None:
    with pytest.raises(TemplateInvalidError):
        RowTemplates("t", prompt="{{", target=None, choices=None)
