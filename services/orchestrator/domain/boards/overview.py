"""What the samples of one run add up to."""

from dataclasses import dataclass

from orchestrator.domain.metrics import ScoreSum
from orchestrator.domain.run import Run
from orchestrator.domain.tokens import Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleCounts:
    """How many samples a run has, and what became of them.

    Attributes:
        errored: Those with an error; it may be one of a completed sample.
        retried: Those that a rerun replaced at least once.
    """

    total: int
    completed: int
    failed: int
    errored: int
    retried: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """A run and what its samples add up to at the moment.

    Attributes:
        scores: Of the metric that was asked for.
        cost_usd: Sum of what samples cost, else what the run as a whole reported.
    """

    run: Run
    scores: ScoreSum
    counts: SampleCounts
    cost_usd: float | None
    tokens: Tokens
