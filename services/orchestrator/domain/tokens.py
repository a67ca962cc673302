"""Token counts: what a provider reported, and sums of it."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Tokens of one call, or of many; None means that nobody reported it, which is not zero."""

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    reasoning: int | None = None
    estimated: bool = False

    @property
    def is_reported(self) -> bool:
        """Whether there is any figure at all."""
        return (self.input, self.output, self.cached, self.reasoning) != (None, None, None, None)


NO_TOKENS = Tokens()


def sum_tokens(parts: Iterable[Tokens]) -> Tokens:
    """Add up what was reported; a figure that nobody reported stays None."""
    total = NO_TOKENS
    for part in parts:
        total = Tokens(
            input=_plus(total.input, part.input),
            output=_plus(total.output, part.output),
            cached=_plus(total.cached, part.cached),
            reasoning=_plus(total.reasoning, part.reasoning),
            estimated=total.estimated or part.estimated,
        )
    return total


def _plus(left: int | None, right: int | None) -> int | None:
    if left is None:
        return right
    return left if right is None else left + right
