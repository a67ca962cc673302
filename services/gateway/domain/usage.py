"""Tokens of model calls, and what graders of a run asked models, added up."""

from dataclasses import dataclass, field, fields
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCounts:
    """Tokens that providers reported; None where nobody reported the figure, which is not zero."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None

    def plus(self, other: "TokenCounts") -> "TokenCounts":
        """Return both together."""
        added = {
            name.name: _added(getattr(self, name.name), getattr(other, name.name))
            for name in fields(self)
        }
        return TokenCounts(**added)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUsage:
    """Answered calls of one model and what they cost."""

    calls: int = 0
    tokens: TokenCounts = field(default_factory=TokenCounts)

    def plus(self, other: Self) -> "ModelUsage":
        """Return both together."""
        return ModelUsage(calls=self.calls + other.calls, tokens=self.tokens.plus(other.tokens))


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSum:
    """What a process counted for one run and model; `id` names the row that it replaces."""

    id: str
    run_id: str
    model: str
    usage: ModelUsage


def _added(one: int | None, other: int | None) -> int | None:
    return one if other is None else other + (one or 0)
