"""What the use cases need to count tokens where nobody reported any."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.domain.token_estimates import SampleText
from orchestrator.domain.tokens import Tokens
from servicekit.caller import Caller


class TokenCounter(Protocol):
    """The tokenizer o200k_base."""

    async def counts(self, texts: Sequence[str]) -> Sequence[int] | None:
        """Return how many tokens each text has, or None when there is no tokenizer.

        Texts of any length; the event loop is never held up for long.
        """
        ...


@dataclass(frozen=True, slots=True)
class MeasurableRun:
    """A completed run with samples that have text but no figures, as of one edition of it."""

    run_id: str
    edition: int


class TokenMeasures(Protocol):
    """Samples without token figures; each method is one transaction."""

    async def runs(self, caller: Caller, suite_id: str) -> Sequence[MeasurableRun]:
        """Return the completed runs of a suite of the caller's that have any, oldest first.

        Raises SuiteNotFound or SharedReadOnly.
        """
        ...

    async def texts(self, run: MeasurableRun, *, after: SampleText | None) -> Sequence[SampleText]:
        """Return what some of a run's samples are counted from, in order; empty when it was all."""
        ...

    async def store(self, run: MeasurableRun, figures: Mapping[str, Tokens]) -> int:
        """Give figures to samples, by their keys, and refresh the run's sums; return how many.

        Samples that have figures by now keep them. Nothing is stored in a run that was deleted or
        put back to work meanwhile.
        """
        ...
