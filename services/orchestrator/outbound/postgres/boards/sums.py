"""What all boards add up in the same way over samples `s`."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from orchestrator.domain.metrics import ScoreSum


def score_sql(number: str) -> str:
    """Return the number of a sample under the metric that is parameter `number`, else NULL."""
    return (
        f"CASE WHEN jsonb_typeof(s.scores -> {number}::text) = 'number'"
        f" THEN (s.scores -> {number}::text)::numeric END"
    )


# Sums of whole numbers are numeric: as a bigint, sums of very large counts would be an error.
TOKEN_SUMS = ",\n       ".join(
    f"CASE WHEN sum(s.{column}) < 9e18 THEN sum(s.{column}) WHEN count(s.{column}) > 0 THEN 9e18"
    f" END::bigint AS {column}"
    for column in ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
)


def scores_from(record: Mapping[str, Any]) -> ScoreSum:
    """Read the columns `score_sum`, a numeric as text, and `scored`."""
    return ScoreSum(total=Fraction(record["score_sum"] or 0), count=record["scored"])
