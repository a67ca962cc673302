from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    label_ranking_average_precision_score,
)
from sklearn.neighbors import KNeighborsClassifier

from orchestrator.domain.embedding.labels import score_label_lists, score_labels
from orchestrator.domain.embedding.scores import GroupUnusable, Vectors

RANDOM = np.random.default_rng(5)
DRAWS = [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11], [2, 3, 4, 6, 8, 11]]


def clusters(labels: list[int]) -> Vectors:
    """Vectors that lie near a corner for each label, with much noise."""
    corners = np.eye(4)[labels]
    return (corners + RANDOM.normal(scale=0.6, size=corners.shape)).astype(np.float32)


TRAIN_LABELS = [0, 1, 2] * 4
TRAIN = clusters(TRAIN_LABELS)
TEST_LABELS = [0, 1, 2, 1] * 10
TEST = clusters(TEST_LABELS)


def names(labels: list[int]) -> list[str]:
    return [str(label) for label in labels]


def test_metrics_are_means_over_classifiers_of_each_draw() -> None:
    scored = score_labels(
        TEST,
        names(TEST_LABELS),
        training=TRAIN,
        training_labels=names(TRAIN_LABELS),
        draws=DRAWS,
        seed=42,
    )

    predicted = []
    for draw in DRAWS:
        model = LogisticRegression(max_iter=100, random_state=42)
        model.fit(TRAIN[draw], [TRAIN_LABELS[row] for row in draw])
        predicted.append(model.predict(TEST))
    assert scored.metrics["accuracy"] == pytest.approx(
        np.mean([accuracy_score(TEST_LABELS, p) for p in predicted])
    )
    for average, name in (("macro", "f1"), ("weighted", "f1_weighted")):
        expected = np.mean([f1_score(TEST_LABELS, p, average=average) for p in predicted])
        assert scored.metrics[name] == pytest.approx(expected)
    assert scored.metrics["score"] == scored.metrics["accuracy"]
    assert "ap" not in scored.metrics

    right = np.mean([p == np.array(TEST_LABELS) for p in predicted], axis=0)
    assert [sample.scores["score"] for sample in scored.samples] == pytest.approx(right.tolist())
    votes = Counter(str(p[0]) for p in predicted)
    assert scored.samples[0].details == {"predictions": dict(votes)}
    assert scored.samples[0].extracted == votes.most_common(1)[0][0]


def test_two_labels_have_an_average_precision_of_the_second() -> None:
    kept = [place for place, label in enumerate(TEST_LABELS) if label != 2]
    wanted = [TEST_LABELS[place] for place in kept]
    draw = [0, 1, 3, 4]

    metrics = score_labels(
        TEST[kept],
        ["spam" if label else "ham" for label in wanted],
        training=TRAIN,
        training_labels=[("ham", "spam", "spam")[label] for label in TRAIN_LABELS],
        draws=[draw],
        seed=0,
    ).metrics

    model = LogisticRegression(max_iter=100, random_state=0)
    model.fit(TRAIN[draw], [TRAIN_LABELS[row] for row in draw])
    expected = average_precision_score(wanted, model.predict(TEST[kept]))
    assert metrics["ap"] == pytest.approx(expected)


def test_one_label_to_learn_from_says_nothing_of_the_model() -> None:
    with pytest.raises(GroupUnusable, match="two labels"):
        score_labels(
            TEST[:2], ["0", "1"], training=TRAIN[:1], training_labels=["0"], draws=[[0]], seed=0
        )


LISTS = [["a"], ["a", "b"], ["b"], [], ["c", "a"], ["c"], ["b", "c"], ["a"]]


def matrix(rows: list[list[str]]) -> NDArray[np.int64]:
    return np.array([[int(name in row) for name in "abc"] for row in rows])


def test_metrics_of_label_lists_are_means_over_the_votes_of_five_neighbours() -> None:
    train, test = TRAIN[:8], TEST[:8]
    draws = [[0, 1, 2, 3, 4, 5, 6], [7, 6, 5, 4, 3, 2]]

    scored = score_label_lists(test, LISTS, training=train, training_labels=LISTS, draws=draws)

    wanted = matrix(LISTS)
    predicted = []
    for draw in draws:
        model = KNeighborsClassifier(n_neighbors=5).fit(train[draw], wanted[draw])
        predicted.append(model.predict(test))
    assert scored.metrics["accuracy"] == pytest.approx(
        np.mean([accuracy_score(wanted, p) for p in predicted])
    )
    assert scored.metrics["f1"] == pytest.approx(
        np.mean([f1_score(wanted, p, average="macro", zero_division=0) for p in predicted])
    )
    assert scored.metrics["lrap"] == pytest.approx(
        np.mean([label_ranking_average_precision_score(wanted, p) for p in predicted])
    )
    assert scored.metrics["score"] == scored.metrics["accuracy"]
    shares = [sample.scores["accuracy"] for sample in scored.samples]
    assert np.mean(shares) == pytest.approx(scored.metrics["accuracy"])


def test_hamming_counts_the_share_of_labels_that_are_right() -> None:
    vectors = np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32)
    training = np.array([[1, 0], [0, 1]], dtype=np.float32)
    # Two neighbours of two, each with half of the votes: ties go to "no label".
    scored = score_label_lists(
        vectors,
        [["a"], [], ["a", "b"]],
        training=training,
        training_labels=[["a", "b"], ["a"]],
        draws=[[0, 1]],
    )

    # Each sample is predicted ["a"]: 1 of 1, 0 of 1 and 1 of 2 labels.
    assert scored.metrics["hamming"] == pytest.approx(0.5)
    assert scored.metrics["accuracy"] == pytest.approx(1 / 3)


def test_labels_that_no_sample_has_are_left_out() -> None:
    scored = score_label_lists(
        TEST[:2], [["a"], []], training=TRAIN[:2], training_labels=[["a", "z"], []], draws=[[0, 1]]
    )

    assert len(scored.samples) == 2


def test_without_any_label_there_is_nothing_to_score() -> None:
    with pytest.raises(GroupUnusable, match="no sample has a label"):
        score_label_lists(TEST[:1], [[]], training=TRAIN[:1], training_labels=[["a"]], draws=[[0]])


def test_a_label_of_thousands_of_digits_is_a_text() -> None:
    long = "9" * 5_000
    labels = [long if label else "1" for label in TRAIN_LABELS]

    scored = score_labels(
        TRAIN, labels, training=TRAIN, training_labels=labels, draws=DRAWS[:1], seed=1
    )

    assert {sample.extracted for sample in scored.samples} <= {long, "1"}
