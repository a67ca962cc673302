"""Which models a run must set because its graders ask for `auto`."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from servicekit.errors import Violation

# In every normalised manifest with a grader that may ask models.
_MODEL_ACCESS = "mka1"

# A program with one of these may name a model itself, or live without an answer; we do not run it
# to find out. Without them each call is for `auto`, and nothing catches its failure.
_MAY_DO_WITHOUT = ("model=", "model =", '"model"', "'model'", "**", "except", "suppress", "getattr")


@dataclass(frozen=True, slots=True)
class _Need:
    method: str
    setting: str
    reason: str


_JUDGE = _Need("responses_create", "judge_model", "JUDGE_MODEL_REQUIRED")
_EMBEDDING = _Need("embeddings_create", "embedding_model", "EMBEDDING_MODEL_REQUIRED")


def asking_graders(manifest_json: bytes, task_ids: Collection[str] | None) -> dict[str, str]:
    """Return the inline sources of graders that may ask models, by task.

    Args:
        manifest_json: A normalised manifest.
        task_ids: Tasks to look at; None for all.
    """
    if _MODEL_ACCESS.encode() not in manifest_json:
        return {}
    sources: dict[str, str] = {}
    for task in json.loads(manifest_json)["tasks"]:
        grader = task.get("grader") or {}
        wanted = task_ids is None or task["id"] in task_ids
        if wanted and grader.get("model_access") == _MODEL_ACCESS and grader.get("source"):
            sources[task["id"]] = grader["source"]
    return sources


def missing_models(
    sources: Mapping[str, str], *, judge: str | None, embedding: str | None
) -> Iterator[Violation]:
    """Find the settings without which no model call of some grader can succeed."""
    for task_id, source in sources.items():
        # A setting that a program looks at is one that it can do without.
        if any(word in source for word in (*_MAY_DO_WITHOUT, ".judge_model", ".embedding_model")):
            continue
        asked = [need for need in (_JUDGE, _EMBEDDING) if need.method in source]
        unset = [need for need in asked if not (judge if need is _JUDGE else embedding)]
        for need in unset if len(unset) == len(asked) else ():
            message = (
                f"{need.setting} is required: the grader of task {task_id} calls "
                f"`{need.method}` without naming a model"
            )
            yield Violation(need.setting, need.reason, message)
