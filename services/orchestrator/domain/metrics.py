"""From sums over samples to the `metrics` object of a run (contract F.5)."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from orchestrator.domain.tokens import Tokens, sum_tokens

JsonObject = dict[str, object]

SCORE = "score"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredMetric:
    """A metric that the manifest names; one that is not `averaged` is kept per sample only."""

    id: str
    averaged: bool = True
    higher_is_better: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMetrics:
    """What a task says about metrics: those it declares, and the key of a grader's one number."""

    task_id: str
    declared: Sequence[DeclaredMetric] = ()
    metric_id: str = SCORE

    def declaration(self, metric: str) -> DeclaredMetric | None:
        """Return what was declared for a metric."""
        return next((entry for entry in self.declared if entry.id == metric), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many samples there are and how they ended; total >= completed + failed."""

    total: int = 0
    completed: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreSum:
    """The exact sum of a metric over the `count` completed samples that carry a number for it."""

    total: Fraction
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupResult:
    """All that the samples of one task and model add up to.

    Attributes:
        sums: By metric.
        returned: Metrics that an aggregate execution returned; they replace means of the same id.
    """

    task_id: str
    model: str
    counts: Counts
    tokens: Tokens
    sums: Mapping[str, ScoreSum] = field(default_factory=dict)
    returned: Mapping[str, float] = field(default_factory=dict)


def run_metrics(
    tasks: Sequence[TaskMetrics], models: Sequence[str], groups: Sequence[GroupResult]
) -> JsonObject:
    """Build the `metrics` object; groups that are missing are left out of `by_task`."""
    found = {(group.task_id, group.model): group for group in groups}
    by_task: JsonObject = {}
    scores: dict[str, list[float]] = {model: [] for model in models}
    for task in tasks:
        blocks: JsonObject = {}
        for model in models:
            group = found.get((task.task_id, model))
            if group is None:
                continue
            metrics = _task_block(task, group)
            score = _canonical(task, metrics)
            if score is not None:
                scores[model].append(score)
            blocks[model] = _block(score, metrics, [group])
        by_task[task.task_id] = blocks
    by_model: JsonObject = {
        model: _model_block(tasks, [g for g in groups if g.model == model], scores[model])
        for model in models
    }
    return {"by_model": by_model, "by_task": by_task}


def _task_block(task: TaskMetrics, group: GroupResult) -> dict[str, JsonObject]:
    metrics = [entry.id for entry in task.declared if entry.averaged]
    metrics += sorted(key for key in group.sums if task.declaration(key) is None)
    metrics += sorted(group.returned)
    return {metric: _task_metric(task, group, metric) for metric in dict.fromkeys(metrics)}


def _task_metric(task: TaskMetrics, group: GroupResult, metric: str) -> JsonObject:
    declaration = task.declaration(metric)
    if metric in group.returned:
        return _entry(group.returned[metric], None, declaration)
    value, count = mean_of(group.sums.get(metric))
    return _entry(value, count, declaration)


def _canonical(task: TaskMetrics, metrics: Mapping[str, JsonObject]) -> float | None:
    wanted = [SCORE, *(entry.id for entry in task.declared), task.metric_id]
    chosen = next((metric for metric in wanted if metric in metrics), None)
    if chosen is None and len(metrics) == 1:
        chosen = next(iter(metrics))
    value = metrics[chosen]["value"] if chosen is not None else None
    return value if isinstance(value, float) else None


def _model_block(
    tasks: Sequence[TaskMetrics], groups: Sequence[GroupResult], scores: Sequence[float]
) -> JsonObject:
    of_task = {task.task_id: task for task in tasks}
    pooled: dict[str, JsonObject] = {}
    for metric in _pooled_ids(tasks, groups):
        if any(metric in group.returned and metric not in group.sums for group in groups):
            continue
        sums = [
            group.sums[metric]
            for group in groups
            if metric in group.sums and _is_averaged(of_task[group.task_id], metric)
        ]
        declarations = (task.declaration(metric) for task in tasks)
        declaration = next((entry for entry in declarations if entry is not None), None)
        total = ScoreSum(
            total=sum((s.total for s in sums), Fraction()), count=sum(s.count for s in sums)
        )
        value, count = mean_of(total)
        pooled[metric] = _entry(value, count, declaration)
    score = math.fsum(scores) / len(scores) if scores else None
    return _block(score, pooled, groups)


def _pooled_ids(tasks: Sequence[TaskMetrics], groups: Sequence[GroupResult]) -> list[str]:
    declared = [entry.id for task in tasks for entry in task.declared if entry.averaged]
    of_task = {task.task_id: task for task in tasks}
    carried = sorted(
        {
            metric
            for group in groups
            for metric in group.sums
            if _is_averaged(of_task[group.task_id], metric)
        }
    )
    return list(dict.fromkeys([*declared, *carried]))


def _is_averaged(task: TaskMetrics, metric: str) -> bool:
    declaration = task.declaration(metric)
    return declaration is None or declaration.averaged


def mean_of(scores: ScoreSum | None) -> tuple[float | None, int]:
    """Return the mean, None when there is no number or it is no float, and how many there are."""
    if scores is None or scores.count == 0:
        return None, 0
    try:
        return float(scores.total / scores.count), scores.count
    except OverflowError:  # whole numbers of any size are finite, but not every one is a float
        return None, scores.count


def _entry(
    value: float | None, count: int | None, declaration: DeclaredMetric | None
) -> JsonObject:
    return {
        "value": value,
        "count": count,
        "higher_is_better": True if declaration is None else declaration.higher_is_better,
        "declared": declaration is not None,
    }


def _block(
    score: float | None, metrics: Mapping[str, JsonObject], groups: Iterable[GroupResult]
) -> JsonObject:
    members = list(groups)
    tokens = sum_tokens(group.tokens for group in members)
    return {
        "score": score,
        "metrics": dict(metrics),
        "request_counts": {
            "total": sum(group.counts.total for group in members),
            "completed": sum(group.counts.completed for group in members),
            "failed": sum(group.counts.failed for group in members),
        },
        "tokens": tokens_object(tokens) | {"estimated": tokens.estimated},
    }


def tokens_object(tokens: Tokens) -> JsonObject:
    """Return token sums in the shape of the contract."""
    return {
        "input": tokens.input,
        "output": tokens.output,
        "cached": tokens.cached,
        "reasoning": tokens.reasoning,
    }
