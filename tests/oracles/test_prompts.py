"""Prompts and targets are byte for byte those of lm-evaluation-harness, out of its task files.

The harness's templates go into a manifest as they are; both render the same rows.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import pytest

from e2e import work
from e2e.stack import Stack
from oracles.conftest import Harness

Json = dict[str, Any]

ODD_TEXTS = (
    "How many?",
    " leading and trailing ",
    "quotes \" and ' and \\ and {{braces}} and {% tags %}",
    "several\nlines\n\nand a tab\t.",
    "Wie viele Äpfel? 三つの林檎 🍎",
    "",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A task of the harness and rows for it.

    Attributes:
        rows: Rows to ask about.
        examples: Rows for worked examples; unused where the task file brings its own.
        count: Number of worked examples.
        changes: Keys of the manifest's task that differ from the task file, and why.
    """

    rows: list[Json]
    examples: list[Json] = field(default_factory=list)
    count: int = 0
    changes: Json = field(default_factory=dict)


def _questions(**more: Any) -> list[Json]:
    return [{"question": text, **more} for text in ODD_TEXTS]


def _reasoned(texts: tuple[str, ...]) -> list[Json]:
    return [
        {"question": text, "answer": f"{text}\nso it is\n#### {place}"}
        for place, text in enumerate(texts)
    ]


CASES = {
    # Worked examples out of another split, an answer of several lines.
    "gsm8k": Case(rows=_reasoned(ODD_TEXTS), examples=_reasoned(ODD_TEXTS[::-1]), count=5),
    # Worked examples in the task file, a target with an expression and a test for a column.
    "gsm8k_cot": Case(rows=_reasoned(ODD_TEXTS), count=8),
    # A nested column. Of several right answers the harness shows the first in an example.
    "triviaqa": Case(
        rows=_questions(answer={"aliases": ["one", "two"]}),
        examples=_questions(answer={"aliases": ["first", "second"]}),
        count=3,
        changes={"target_template": "{{answer.aliases[0]}}"},
    ),
    # A condition on a null column, no space before the target, a number as the target.
    "mgsm_direct_en": Case(
        rows=[
            *_questions(answer="yes", answer_number=3),
            *_questions(answer=None, answer_number=4),
        ],
        examples=[*_questions(answer="yes", answer_number=7)],
        count=2,
    ),
    # A long prefix that the template assigns to a variable.
    "truthfulqa_gen": Case(rows=_questions()),
    # A description above the question; a list as the target.
    "nq_open": Case(rows=_questions(answer=["x"]), changes={"target_template": "{{answer[0]}}"}),
    # The prompt is a column.
    "ifeval": Case(rows=[{"prompt": text or "-"} for text in ODD_TEXTS]),
}


@pytest.fixture(scope="module")
def rendered_by_harness(render_with_harness: Harness) -> Json:
    return render_with_harness(
        {
            name: {"rows": case.rows, "examples": case.examples or case.rows, "count": case.count}
            for name, case in CASES.items()
        }
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", CASES)
def test_prompts_are_those_of_the_harness(
    name: str, stack: Stack, rendered_by_harness: Json
) -> None:
    case, theirs = CASES[name], rendered_by_harness[name]
    with stack.sdk() as sdk:
        task = work.task(work.upload_rows(sdk, case.rows))
        del task["target_template"]
        task |= _templates(theirs["config"], case)
        if case.count:
            examples = work.upload_rows(sdk, theirs["own_examples"] or case.examples)
            task["fewshot"] = _fewshot(theirs["config"], case, examples)
        suite_id = work.create_suite(sdk, {**task, "id": name})
        run = sdk.llm.evals.create_run(suite_id=suite_id, models=["adder"])
        assert work.wait(sdk, run.id).status == "completed"
        ours = work.samples(sdk, run.id)

    assert [sample.prompt for sample in ours] == theirs["prompts"]
    if "target_template" in task:
        assert [sample.target for sample in ours] == [_first(it) for it in theirs["targets"]]


def _templates(config: Json, case: Case) -> Json:
    templates = {"prompt_template": _template(config["doc_to_text"])}
    if not case.count:
        # Without examples the description stands in front of the question.
        templates["prompt_template"] = config["description"] + templates["prompt_template"]
    if isinstance(config["doc_to_target"], str):
        templates["target_template"] = config["doc_to_target"]
    return templates | case.changes


def _template(text: str) -> str:
    """In a task file a bare word names a column."""
    return f"{{{{{text}}}}}" if re.fullmatch(r"\w+", text) else text


def _fewshot(config: Json, case: Case, file_id: str) -> Json:
    return {
        "count": case.count,
        "dataset": {"file_id": file_id, "format": "jsonl"},
        "example_template": "{{prompt}}" + config["target_delimiter"] + "{{target}}",
        "separator": config["fewshot_delimiter"],
    }


def _first(target: str | list[str]) -> str:
    return target[0] if isinstance(target, list) else target
