"""Which training rows each experiment of a classification task learns from.

The draws are those of MTEB for the same order of rows, so that figures can be compared.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np


def draw_rows(
    labels: Sequence[str], *, samples_per_label: int, n_experiments: int, seed: int
) -> list[list[int]]:
    """Draw rows with one label each: at most `samples_per_label` of every label.

    Returns:
        For each experiment the indices of its rows, in the order they were drawn.
    """
    order = list(range(len(labels)))
    draws: list[list[int]] = []
    for _ in range(n_experiments):
        # The generator starts anew, the order does not: each experiment shuffles the last one's.
        np.random.RandomState(seed).shuffle(order)
        taken: Counter[str] = Counter()
        drawn: list[int] = []
        for row in order:
            if taken[labels[row]] < samples_per_label:
                taken[labels[row]] += 1
                drawn.append(row)
        draws.append(drawn)
    return draws


def draw_multilabel_rows(
    labels: Sequence[Sequence[str]], *, samples_per_label: int, n_experiments: int, seed: int
) -> list[list[int]]:
    """Draw rows with many labels: until every label has at least `samples_per_label`, if it can.

    Returns:
        For each experiment the indices of its rows, in the order they were drawn.
    """
    generator = np.random.default_rng(seed)
    draws: list[list[int]] = []
    for _ in range(n_experiments):
        order = list(range(len(labels)))
        generator.shuffle(order)
        taken: Counter[str] = Counter()
        drawn: list[int] = []
        for row in order:
            if any(taken[label] < samples_per_label for label in labels[row]):
                taken.update(labels[row])
                drawn.append(row)
        draws.append(drawn)
    return draws
