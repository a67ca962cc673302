from collections import Counter

import numpy as np

from orchestrator.domain.embedding.drawing import draw_multilabel_rows, draw_rows

LABELS = ["a", "b", "b", "a", "c", "a", "b", "a"]


def test_each_experiment_draws_at_most_so_many_rows_of_each_label() -> None:
    draws = draw_rows(LABELS, samples_per_label=2, n_experiments=4, seed=42)

    assert [Counter(LABELS[row] for row in draw) for draw in draws] == [
        Counter({"a": 2, "b": 2, "c": 1})
    ] * 4
    assert len({tuple(draw) for draw in draws}) > 1


def test_a_seed_draws_the_same_rows_again_and_another_one_others() -> None:
    def drawn(seed: int) -> list[list[int]]:
        return draw_rows(LABELS * 5, samples_per_label=3, n_experiments=3, seed=seed)

    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)


def test_rows_are_taken_in_the_order_of_shuffles_of_the_last_shuffle() -> None:
    order = list(range(len(LABELS)))
    shuffled = []
    for _ in range(2):
        np.random.RandomState(42).shuffle(order)
        shuffled.append(list(order))

    draws = draw_rows(LABELS, samples_per_label=100, n_experiments=2, seed=42)

    assert draws == shuffled


def test_rows_with_many_labels_are_drawn_until_each_label_has_enough() -> None:
    labels = [["a"], ["a", "b"], ["b"], ["c", "a"], [], ["b", "c"], ["a"], ["a"]]

    for draw in draw_multilabel_rows(labels, samples_per_label=2, n_experiments=5, seed=1):
        counts = Counter(label for row in draw for label in labels[row])
        assert min(counts.values()) >= 2
        assert set(counts) == {"a", "b", "c"}
        assert 4 not in draw
