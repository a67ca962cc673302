"""What a manifest says about the metrics of its tasks."""

from manifest.parsing import parse_manifest
from manifest.schema import Task
from orchestrator.domain.embedding.declared import declared_metrics
from orchestrator.domain.metrics import SCORE, DeclaredMetric, TaskMetrics


def task_metrics(manifest_json: bytes) -> list[TaskMetrics]:
    """Return what each task of a normalised manifest says, in its order."""
    return [_of(task) for task in parse_manifest(manifest_json).tasks]


def _of(task: Task) -> TaskMetrics:
    declared = [
        DeclaredMetric(
            id=metric.id,
            averaged=metric.aggregation == "mean",
            higher_is_better=metric.higher_is_better,
        )
        for metric in task.metrics or ()
    ]
    if task.embedding is not None:
        declared = declared_metrics(task.embedding.kind, declared)
    return TaskMetrics(
        task_id=task.id,
        declared=declared,
        metric_id=task.grader.metric_id if task.grader else SCORE,
    )
