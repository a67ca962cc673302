"""The texts that a task makes of one row: choices, target and prompt."""

from typing import NamedTuple

from grader.inside.jobs import JsonObject
from grader.inside.templates import (
    Template,
    TemplateFailedError,
    compile_template,
    visible_names,
)
from grader.inside.text_filters import to_text


class RowTexts(NamedTuple):
    """What was rendered of a row; a target or choices that the task does not have are None."""

    prompt: str
    target: str | None
    choices: list[str] | None


class RowTemplates:
    """The compiled templates of a task, or of its few-shot examples.

    Raises:
        TemplateInvalidError: a template does not compile.
    """

    def __init__(
        self, task_id: str, *, prompt: str | None, target: str | None, choices: list[str] | None
    ) -> None:
        self._task_id = task_id
        self._prompt = None if prompt is None else compile_template(prompt)
        self._target = None if target is None else compile_template(target)
        self._choices = None if choices is None else [compile_template(text) for text in choices]

    def render(self, row: JsonObject, sample_index: int) -> RowTexts:
        """Render a row: the choices first, since target and prompt may use them.

        Without a target template the column `target` is the target.

        Raises:
            TemplateFailedError: a template could not be rendered; the message says which.
        """
        names = visible_names(row, task_id=self._task_id, sample_index=sample_index)
        choices = None
        if self._choices is not None:
            choices = [
                _rendered(template, names, f"choices[{place}]")
                for place, template in enumerate(self._choices)
            ]
            names = visible_names(
                row, task_id=self._task_id, sample_index=sample_index, choices=choices
            )
        target = to_text(row["target"]) if "target" in row else None
        if self._target is not None:
            target = _rendered(self._target, names, "target_template")
        prompt = ""
        if self._prompt is not None:
            prompt = _rendered(self._prompt, names, "prompt_template")
        return RowTexts(prompt, target, choices)


def _rendered(template: Template, names: dict[str, object], field: str) -> str:
    try:
        return template.render(names)
    except TemplateFailedError as error:
        raise TemplateFailedError(f"{field}: {error}") from None
