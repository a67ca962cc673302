"""Which metrics a task of each embedding kind is known to have."""

from collections.abc import Sequence

from manifest.embedding import EmbeddingKind
from orchestrator.domain.embedding.names import MAIN_METRIC, REJECTED_TEXTS, SCORE
from orchestrator.domain.metrics import DeclaredMetric


def declared_metrics(
    kind: EmbeddingKind, declared: Sequence[DeclaredMetric]
) -> list[DeclaredMetric]:
    """Return what a manifest declares with what goes without saying: `score` and the main metric.

    So a task that could not be scored has a `score` of None and not another metric in its place.
    """
    own = [DeclaredMetric(id=SCORE), DeclaredMetric(id=MAIN_METRIC[kind])]
    if kind != "sts":
        own.append(DeclaredMetric(id=REJECTED_TEXTS, higher_is_better=False))
    known = {entry.id for entry in declared}
    return [*declared, *(entry for entry in own if entry.id not in known)]
