"""Semantic textual similarity: how well distances of vectors follow gold scores."""

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
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

# Vectors may lie on disk; so many pairs of 8,192 numbers are 32 MB in memory, and copies of it.
_PAIRS_AT_ONCE = 1_024

Values = NDArray[np.float64]


def _cosine(left: Vectors, right: Vectors) -> Values:
    similarities: Values = 1 - paired_cosine_distances(left, right)
    return similarities


def _manhattan(left: Vectors, right: Vectors) -> Values:
    similarities: Values = -paired_manhattan_distances(left, right)
    return similarities


def _euclidean(left: Vectors, right: Vectors) -> Values:
    similarities: Values = -paired_euclidean_distances(left, right)
    return similarities


_MEASURES = {"cosine": _cosine, "manhattan": _manhattan, "euclidean": _euclidean}


def score_pairs(left: Vectors, right: Vectors, gold: Sequence[float]) -> GroupScores:
    """Correlate similarities of pairs with their gold scores.

    With fewer than two pairs, or when one side is constant, there is no correlation and the metric
    is missing.
    """
    similarities = {name: _in_blocks(measure, left, right) for name, measure in _MEASURES.items()}
    cosine = similarities["cosine"]
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


def _in_blocks(
    measure: Callable[[Vectors, Vectors], Values], left: Vectors, right: Vectors
) -> Values:
    starts = range(0, len(left), _PAIRS_AT_ONCE)
    spans = [slice(start, start + _PAIRS_AT_ONCE) for start in starts]
    return np.concatenate([measure(left[span], right[span]) for span in spans])
