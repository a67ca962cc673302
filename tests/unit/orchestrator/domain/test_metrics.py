from fractions import Fraction
from typing import Any

import pytest

from orchestrator.domain.metrics import (
    Counts,
    DeclaredMetric,
    GroupResult,
    ScoreSum,
    TaskMetrics,
    run_metrics,
)
from orchestrator.domain.tokens import NO_TOKENS, Tokens


def group(
    task_id: str = "task",
    model: str = "model",
    *,
    sums: dict[str, tuple[float, int]] | None = None,
    returned: dict[str, float] | None = None,
    counts: Counts | None = None,
    tokens: Tokens = NO_TOKENS,
) -> GroupResult:
    return GroupResult(
        task_id=task_id,
        model=model,
        counts=counts or Counts(total=4, completed=4),
        tokens=tokens,
        sums={
            metric: ScoreSum(total=Fraction(total), count=count)
            for metric, (total, count) in (sums or {}).items()
        },
        returned=returned or {},
    )


def metrics(
    groups: list[GroupResult],
    tasks: list[TaskMetrics] | None = None,
    models: tuple[str, ...] = ("model",),
) -> Any:
    return run_metrics(tasks or [TaskMetrics(task_id="task")], models, groups)


def test_a_mean_says_how_many_samples_are_behind_it() -> None:
    found = metrics([group(sums={"score": (3, 4)})])

    assert found["by_task"]["task"]["model"]["metrics"] == {
        "score": {"value": 0.75, "count": 4, "higher_is_better": True, "declared": False}
    }


def test_a_declared_metric_without_samples_has_no_value() -> None:
    declared = [DeclaredMetric(id="f1", higher_is_better=False)]

    found = metrics([group()], [TaskMetrics(task_id="task", declared=declared)])

    nothing = {"value": None, "count": 0, "higher_is_better": False, "declared": True}
    assert found["by_task"]["task"]["model"]["metrics"] == {"f1": nothing}
    assert found["by_task"]["task"]["model"]["score"] is None
    assert found["by_model"]["model"]["metrics"] == {"f1": nothing}


def test_a_metric_kept_per_sample_is_in_no_aggregate() -> None:
    declared = [DeclaredMetric(id="length", averaged=False), DeclaredMetric(id="f1")]

    found = metrics(
        [group(sums={"length": (9, 3), "f1": (1, 2)})],
        [TaskMetrics(task_id="task", declared=declared)],
    )

    assert list(found["by_task"]["task"]["model"]["metrics"]) == ["f1"]
    assert list(found["by_model"]["model"]["metrics"]) == ["f1"]


def test_a_returned_metric_replaces_the_mean_of_the_same_name() -> None:
    found = metrics([group(sums={"f1": (3, 4)}, returned={"f1": 0.5, "macro": 0.25})])

    block = found["by_task"]["task"]["model"]["metrics"]
    assert block["f1"] == {
        "value": 0.5,
        "count": None,
        "higher_is_better": True,
        "declared": False,
    }
    assert block["macro"]["value"] == 0.25
    pooled = found["by_model"]["model"]["metrics"]
    assert pooled["f1"]["value"] == 0.75
    assert "macro" not in pooled


@pytest.mark.parametrize(
    ("sums", "declared", "metric_id", "score"),
    [
        ({"a": (1, 2), "score": (1, 4)}, ["a"], "a", 0.25),
        ({"a": (1, 2), "b": (1, 4)}, ["b", "a"], "a", 0.25),
        ({"a": (1, 2), "b": (1, 4)}, [], "b", 0.25),
        ({"a": (1, 2)}, [], "b", 0.5),
        ({"a": (1, 2), "b": (1, 4)}, [], "c", None),
        ({}, [], "score", None),
    ],
)
def test_the_score_of_a_task_is_the_first_metric_of_the_rule(
    sums: dict[str, tuple[float, int]], declared: list[str], metric_id: str, score: float | None
) -> None:
    task = TaskMetrics(
        task_id="task", declared=[DeclaredMetric(id=name) for name in declared], metric_id=metric_id
    )

    found = metrics([group(sums=sums)], [task])

    assert found["by_task"]["task"]["model"]["score"] == score


def test_a_model_pools_its_samples_and_averages_its_tasks() -> None:
    tasks = [TaskMetrics(task_id=name) for name in ("a", "b", "c")]
    groups = [
        group("a", sums={"score": (1, 1)}, counts=Counts(total=1, completed=1)),
        group("b", sums={"score": (0, 3)}, counts=Counts(total=4, completed=3, failed=1)),
        group("c", counts=Counts(total=1, failed=1)),
    ]

    found = metrics(groups, tasks)["by_model"]["model"]

    assert found["score"] == 0.5
    assert found["metrics"]["score"]["value"] == 0.25
    assert found["metrics"]["score"]["count"] == 4
    assert found["request_counts"] == {"total": 6, "completed": 4, "failed": 2}


def test_tokens_that_nobody_reported_stay_null() -> None:
    groups = [
        group("a", tokens=Tokens(input=1, output=2)),
        group("b", tokens=Tokens(input=3, estimated=True)),
    ]

    found = metrics(groups, [TaskMetrics(task_id="a"), TaskMetrics(task_id="b")])

    assert found["by_model"]["model"]["tokens"] == {
        "input": 4,
        "output": 2,
        "cached": None,
        "reasoning": None,
        "estimated": True,
    }


def test_a_model_without_any_group_has_an_empty_block() -> None:
    found = metrics([group()], models=("model", "other"))

    assert found["by_task"]["task"].keys() == {"model"}
    assert found["by_model"]["other"]["score"] is None
    assert found["by_model"]["other"]["request_counts"]["total"] == 0


def test_a_mean_beyond_what_a_float_holds_has_no_value() -> None:
    found = metrics([group(sums={"score": (10**400, 1)})])

    block = found["by_task"]["task"]["model"]
    assert block["metrics"]["score"]["value"] is None
    assert block["metrics"]["score"]["count"] == 1


def test_a_metric_that_one_task_only_returned_is_not_pooled() -> None:
    tasks = [TaskMetrics(task_id="a"), TaskMetrics(task_id="b")]
    groups = [group("a", sums={"f1": (1, 1)}), group("b", returned={"f1": 0.5})]

    assert metrics(groups, tasks)["by_model"]["model"]["metrics"] == {}
