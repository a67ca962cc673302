"""Semantic textual similarity: how well distances of vectors follow gold scores."""

import warnings
from collections.abc import Sequence

import numpy as np
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics.pairwise import (
    paired_cosine_distances,
    paired_euclidean_distances,
    paired_manhattan_distances,
)

from orchestrator.domain.embedding.scores import (
    GroupScores,
    SampleScore,
    Vectors,
    with_main,
)

_PAIRS_MIN = 2


def score_pairs(left: Vectors, right: Vectors, gold: Sequence[float]) -> GroupScores:
    """Correlate similarities of pairs with their gold scores.

    With fewer than two pairs, or when one side is constant, there is no correlation and the metric
    is missing.
    """
    cosine = 1 - paired_cosine_distances(left, right)
    similarities = {
        "cosine": cosine,
        "manhattan": -paired_manhattan_distances(left, right),
        "euclidean": -paired_euclidean_distances(left, right),
    }
    metrics: dict[str, float] = {}
    if len(gold) >= _PAIRS_MIN:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # a constant; its correlation is left out
            for name, values in similarities.items():
                metrics[f"{name}_pearson"] = pearsonr(gold, values)[0]
                metrics[f"{name}_spearman"] = spearmanr(gold, values)[0]
    # MTEB's plain names are those of the model's own similarity, which is the cosine here.
    for name in ("pearson", "spearman"):
        if f"cosine_{name}" in metrics:
            metrics[name] = metrics[f"cosine_{name}"]
    samples = [SampleScore(scores={"cosine_similarity": float(value)}) for value in cosine]
    return GroupScores(metrics=with_main(metrics, "sts"), samples=samples)
