"""Count the tokens of a suite's samples that have text but no figures, a few runs at a time."""

from collections.abc import Callable, Sequence
from time import monotonic

from orchestrator.domain.token_estimates import Measurement, SampleText, TokenizerMissing, estimated
from orchestrator.domain.tokens import Tokens
from orchestrator.ports.token_measures import MeasurableRun, TokenCounter, TokenMeasures
from servicekit import logs
from servicekit.caller import Caller

# The published client gives up after 5 s; reading and storing take their part of them.
BUDGET_S = 2.5
# Of samples whose figures are stored at once.
FIGURES_MAX = 50_000

_log = logs.get_logger("orchestrator.measure_suite")


class MeasureSuite:
    """Counts for at most `budget_s` a call; what it did not come to is there for the next one."""

    def __init__(
        self,
        measures: TokenMeasures,
        counter: TokenCounter,
        *,
        budget_s: float = BUDGET_S,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._measures = measures
        self._counter = counter
        self._budget_s = budget_s
        self._now = now

    async def __call__(self, caller: Caller, suite_id: str, *, limit: int) -> Measurement:
        """Measure at most `limit` runs, oldest first, each in one transaction of its own.

        A run that is too large for one call is measured in several.

        Raises:
            SuiteNotFound: the caller sees no such suite.
            SharedReadOnly: the suite is another organisation's.
            TokenizerMissing: tokens cannot be counted here.
        """
        until = self._now() + self._budget_s
        runs = await self._measures.runs(caller, suite_id)
        if await self._counter.counts(()) is None:
            raise TokenizerMissing
        counted: list[int] = []
        for run in runs[:limit]:
            figures = await self._figures(run, until)
            counted.append(await self._measures.store(run, figures))
            if self._now() >= until:
                break
        remaining = len(await self._measures.runs(caller, suite_id)) if runs else 0
        measured = sum(1 for count in counted if count)
        _log.info("tokens_measured", suite_id=suite_id, runs=measured, samples=sum(counted))
        return Measurement(runs=measured, samples=sum(counted), remaining_runs=remaining)

    async def _figures(self, run: MeasurableRun, until: float) -> dict[str, Tokens]:
        """Count some samples in any case, so that every call comes forward."""
        figures: dict[str, Tokens] = {}
        after: SampleText | None = None
        while batch := await self._measures.texts(run, after=after):
            figures |= await self._count(batch)
            after = batch[-1]
            if self._now() >= until or len(figures) >= FIGURES_MAX:
                break
        return figures

    async def _count(self, batch: Sequence[SampleText]) -> dict[str, Tokens]:
        texts = [(sample.prompt, sample.output_text, sample.reasoning) for sample in batch]
        counts = await self._counter.counts([text for of_sample in texts for text in of_sample])
        if counts is None:
            raise TokenizerMissing
        of_samples = zip(batch, counts[0::3], counts[1::3], counts[2::3], strict=True)
        return {
            sample.sample_key: estimated(prompt=prompt, output_text=output, reasoning=reasoning)
            for sample, prompt, output, reasoning in of_samples
        }
