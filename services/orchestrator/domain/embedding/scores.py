"""What scoring a group gives, whatever its kind."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from manifest.embedding import EmbeddingKind
from orchestrator.domain.embedding.names import MAIN_METRIC, SCORE

Vectors = NDArray[np.float32]
"""One row a text."""


class GroupUnusable(Exception):
    """Nothing can be said of the model with these rows and vectors; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleScore:
    """What one sample has.

    Attributes:
        extracted: The answer that its vector stands for, if there is one.
        details: Further facts for people.
    """

    scores: Mapping[str, float]
    extracted: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupScores:
    """Metrics of a group, and what each of its samples has, in their order."""

    metrics: Mapping[str, float]
    samples: Sequence[SampleScore]


def finite(metrics: Mapping[str, float]) -> dict[str, float]:
    """Leave out what is not defined, such as the correlation of a constant."""
    return {name: float(value) for name, value in metrics.items() if math.isfinite(value)}


def with_main(metrics: Mapping[str, float], kind: EmbeddingKind) -> dict[str, float]:
    """Repeat the main metric as `score`."""
    known = finite(metrics)
    main = MAIN_METRIC[kind]
    return known | ({SCORE: known[main]} if main in known else {})
