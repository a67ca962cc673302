"""Classification with vectors: classifiers that learn from a few rows of each label."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    label_ranking_average_precision_score,
    precision_score,
    recall_score,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import MultiLabelBinarizer

from orchestrator.domain.embedding.names import SCORE
from orchestrator.domain.embedding.scores import (
    GroupScores,
    GroupUnusable,
    SampleScore,
    Vectors,
    with_main,
)

MAX_ITERATIONS = 100
NEIGHBOURS = 5

_BINARY = 2

# A label of more digits is a text: Python refuses to read thousands of them.
_DIGITS_MAX = 100

# A figure for each of 2,000 labels and so many rows is 32 MB.
_ROWS_AT_ONCE = 2_048

Whole = NDArray[np.int64]


def score_labels(
    vectors: Vectors,
    labels: Sequence[str],
    *,
    training: Vectors,
    training_labels: Sequence[str],
    draws: Sequence[Sequence[int]],
    seed: int,
) -> GroupScores:
    """Train a logistic regression on each draw, predict all samples, and average the metrics.

    Args:
        vectors: Samples.
        labels: Their labels.
        training: Training rows.
        training_labels: Their labels.
        draws: Rows of `training` for each experiment.
        seed: Of the classifiers.

    Raises:
        GroupUnusable: an experiment has fewer than two labels to learn from.
    """
    names = _in_order({*labels, *training_labels})
    number = {name: place for place, name in enumerate(names)}
    wanted = np.array([number[label] for label in labels])
    known = np.array([number[label] for label in training_labels])
    predictions: list[Whole] = []
    for draw in draws:
        rows = np.array(draw, dtype=np.int64)
        if len(set(known[rows].tolist())) < _BINARY:
            raise GroupUnusable("a classifier needs training rows with at least two labels")
        classifier = LogisticRegression(max_iter=MAX_ITERATIONS, random_state=seed)
        classifier.fit(training[rows], known[rows])
        predictions.append(_predicted(classifier, vectors))
    metrics = _mean([_label_metrics(wanted, predicted) for predicted in predictions])
    votes = np.stack(predictions, axis=1)
    samples = [_sample(wanted[place], votes[place], names) for place in range(len(labels))]
    return GroupScores(metrics=with_main(metrics, "classification"), samples=samples)


def score_label_lists(
    vectors: Vectors,
    labels: Sequence[Sequence[str]],
    *,
    training: Vectors,
    training_labels: Sequence[Sequence[str]],
    draws: Sequence[Sequence[int]],
) -> GroupScores:
    """Let the nearest training rows of each draw vote on every label, and average the metrics.

    Labels that no sample has are left out, as MTEB does.

    Raises:
        GroupUnusable: there is no label at all, or an experiment has no training rows.
    """
    names = _in_order({label for row in labels for label in row})
    if not names:
        raise GroupUnusable("no sample has a label")
    binarizer = MultiLabelBinarizer(classes=names)
    wanted = binarizer.fit_transform(labels)
    seen = set(names)
    known = binarizer.transform([[one for one in row if one in seen] for row in training_labels])
    predictions: list[Whole] = []
    for draw in draws:
        rows = np.array(draw, dtype=np.int64)
        if not len(rows):
            raise GroupUnusable("there are no training rows")
        classifier = KNeighborsClassifier(n_neighbors=min(NEIGHBOURS, len(rows)))
        # A single label is a column that scikit-learn wants as a list.
        targets = known[rows].ravel() if len(names) == 1 else known[rows]
        classifier.fit(training[rows], targets)
        predictions.append(_predicted(classifier, vectors).reshape(wanted.shape))
    metrics = _mean([_list_metrics(wanted, predicted) for predicted in predictions])
    right = np.stack([(predicted == wanted).all(axis=1) for predicted in predictions], axis=1)
    samples = [
        SampleScore(scores={"accuracy": float(share), SCORE: float(share)})
        for share in right.mean(axis=1)
    ]
    return GroupScores(metrics=with_main(metrics, "multilabel_classification"), samples=samples)


def _predicted(classifier: Any, vectors: Vectors) -> Whole:
    blocks = range(0, len(vectors), _ROWS_AT_ONCE)
    return np.concatenate(
        [classifier.predict(vectors[start : start + _ROWS_AT_ONCE]) for start in blocks]
    )


def _in_order(names: set[str]) -> list[str]:
    """Numbers by value, other labels as texts: the order decides which of two is the positive."""
    if all(len(name) <= _DIGITS_MAX and name.removeprefix("-").isdecimal() for name in names):
        return sorted(names, key=int)
    return sorted(names)


def _label_metrics(wanted: Whole, predicted: Whole) -> dict[str, float]:
    metrics = {"accuracy": accuracy_score(wanted, predicted)}
    for suffix, average in (("", "macro"), ("_weighted", "weighted")):
        how: dict[str, Any] = {"average": average, "zero_division": 0}
        metrics[f"f1{suffix}"] = f1_score(wanted, predicted, **how)
        metrics[f"precision{suffix}"] = precision_score(wanted, predicted, **how)
        metrics[f"recall{suffix}"] = recall_score(wanted, predicted, **how)
    present = np.unique(wanted)
    if len(present) == _BINARY:
        positive = (wanted == present[1], predicted == present[1])
        metrics["ap"] = average_precision_score(*positive, average="macro")
        metrics["ap_weighted"] = average_precision_score(*positive, average="weighted")
    return metrics


def _list_metrics(wanted: Whole, predicted: Whole) -> dict[str, float]:
    both = ((wanted == 1) & (predicted == 1)).sum(axis=1)
    either = ((wanted == 1) | (predicted == 1)).sum(axis=1)
    hamming = np.where(either == 0, 1.0, both / np.maximum(either, 1))
    return {
        "accuracy": float((wanted == predicted).all(axis=1).mean()),
        "f1": f1_score(wanted, predicted, average="macro", zero_division=0),
        "lrap": label_ranking_average_precision_score(wanted, predicted),
        "hamming": float(hamming.mean()),
    }


def _mean(experiments: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([one[name] for one in experiments])) for name in experiments[0]}


def _sample(wanted: int, votes: Whole, names: Sequence[str]) -> SampleScore:
    share = float((votes == wanted).mean())
    counted = Counter(names[vote] for vote in votes.tolist()).most_common()
    return SampleScore(
        scores={"accuracy": share, SCORE: share},
        extracted=counted[0][0],
        details={"predictions": dict(counted)},
    )
