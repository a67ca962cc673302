from orchestrator.domain.embedding.declared import declared_metrics
from orchestrator.domain.metrics import (
    Counts,
    DeclaredMetric,
    GroupResult,
    TaskMetrics,
    run_metrics,
)
from orchestrator.domain.tokens import NO_TOKENS


def test_a_group_that_was_not_scored_has_no_score_and_not_another_metric_in_its_place() -> None:
    task = TaskMetrics(task_id="t", declared=declared_metrics("sts", []))
    group = GroupResult(task_id="t", model="m", counts=Counts(total=1, failed=1), tokens=NO_TOKENS)

    metrics = run_metrics([task], ["m"], [group])

    block = metrics["by_task"]["t"]["m"]  # type: ignore[index]
    assert block["score"] is None
    assert list(block["metrics"]) == ["score", "cosine_spearman"]


def test_what_the_manifest_declares_stays_and_rejected_texts_are_better_few() -> None:
    own = DeclaredMetric(id="accuracy", higher_is_better=False)

    declared = declared_metrics("classification", [own])

    assert declared[0] is own
    assert [entry.id for entry in declared] == ["accuracy", "score", "rejected_texts"]
    assert not declared[-1].higher_is_better
