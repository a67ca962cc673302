import json
from typing import Any

import pytest

from orchestrator.domain.model_needs import asking_graders, missing_models

JUDGED = "def grade(sample, item, ctx):\n    return ctx.responses_create(input='?')['n']\n"
EMBEDDED = "def grade(sample, item, ctx):\n    ctx.embeddings_create(input='?')\n    return 1\n"
BOTH = JUDGED + EMBEDDED


def reasons(source: str, *, judge: str | None = None, embedding: str | None = None) -> list[str]:
    found = missing_models({"sums": source}, judge=judge, embedding=embedding)
    return [violation.reason for violation in found]


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        (JUDGED, ["JUDGE_MODEL_REQUIRED"]),
        (EMBEDDED, ["EMBEDDING_MODEL_REQUIRED"]),
        (BOTH, ["JUDGE_MODEL_REQUIRED", "EMBEDDING_MODEL_REQUIRED"]),
    ],
)
def test_what_asks_for_auto_needs_the_setting(source: str, missing: list[str]) -> None:
    assert reasons(source) == missing


def test_a_setting_that_is_there_is_enough() -> None:
    assert reasons(JUDGED, judge="auto") == []
    assert reasons(EMBEDDED, embedding="e") == []
    assert reasons(BOTH, judge="j") == []


@pytest.mark.parametrize(
    "source",
    [
        "def grade(sample, item, ctx): return ctx.responses_create(model='gpt', input='?')['n']",
        "def grade(sample, item, ctx): return ctx.responses_create(**{'model': 'gpt'})['n']",
        "def grade(sample, item, ctx):\n try: ctx.responses_create()\n except Exception: return 0",
        "def grade(sample, item, ctx):\n if ctx.judge_model: ctx.responses_create()\n return 0",
        "def grade(sample, item): return 1",
    ],
)
def test_what_may_do_without_the_setting_is_let_through(source: str) -> None:
    assert reasons(source) == []


def test_the_message_names_the_setting_the_task_and_the_call() -> None:
    (violation,) = missing_models({"sums": JUDGED}, judge=None, embedding=None)

    assert violation.path == "judge_model"
    assert violation.message == (
        "judge_model is required: the grader of task sums calls `responses_create` "
        "without naming a model"
    )


def test_only_inline_graders_with_model_access_of_chosen_tasks_are_looked_at() -> None:
    def task(name: str, **grader: Any) -> dict[str, Any]:
        return {"id": name, "grader": {"model_access": "mka1", "source": JUDGED, **grader}}

    tasks = [
        task("chosen"),
        task("other"),
        task("closed", model_access="none"),
        {"id": "file", "grader": {"model_access": "mka1", "file_id": "file_1"}},
    ]
    manifest = json.dumps({"tasks": tasks}).encode()

    assert list(asking_graders(manifest, ["chosen", "closed", "file"])) == ["chosen"]
    assert list(asking_graders(manifest, None)) == ["chosen", "other"]
