from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from orchestrator.domain.token_estimates import Measurement, SampleText, TokenizerMissing
from orchestrator.domain.tokens import Tokens
from orchestrator.ports.token_measures import MeasurableRun
from orchestrator.usecases.token_counting.measure_suite import MeasureSuite
from servicekit.caller import Caller

CALLER = Caller(org_id="org", team_id="team")


@dataclass
class FakeMeasures:
    """Runs by id, each with the texts of its samples; two samples are read at once."""

    texts_of: dict[str, list[str]]
    gone: set[str] = field(default_factory=set)
    stored: dict[str, Tokens] = field(default_factory=dict)

    async def runs(self, _caller: Caller, _suite_id: str) -> Sequence[MeasurableRun]:
        return [
            MeasurableRun(run_id, 0)
            for run_id, texts in self.texts_of.items()
            if any(f"{run_id}{index}" not in self.stored for index in range(len(texts)))
        ]

    async def texts(self, run: MeasurableRun, *, after: SampleText | None) -> Sequence[SampleText]:
        first = 0 if after is None else after.place[2] + 1
        samples = [
            SampleText(
                sample_key=f"{run.run_id}{index}",
                place=(0, 0, index),
                prompt="prompt",
                output_text=text,
                reasoning="",
            )
            for index, text in enumerate(self.texts_of[run.run_id])
            if index >= first and f"{run.run_id}{index}" not in self.stored
        ]
        return samples[:2]

    async def store(self, run: MeasurableRun, figures: Mapping[str, Tokens]) -> int:
        if run.run_id in self.gone:
            return 0
        self.stored |= figures
        return len(figures)


@dataclass
class FakeCounter:
    """A token a character; each count takes a second."""

    now_s: float = 0
    missing: bool = False

    async def counts(self, texts: Sequence[str]) -> Sequence[int] | None:
        self.now_s += bool(texts)
        return None if self.missing else [len(text) for text in texts]

    def now(self) -> float:
        return self.now_s


def measuring(measures: FakeMeasures, counter: FakeCounter, budget_s: float = 60) -> MeasureSuite:
    return MeasureSuite(measures, counter, budget_s=budget_s, now=counter.now)


async def test_so_many_runs_are_measured_the_oldest_first() -> None:
    measures = FakeMeasures({"a": ["four", "x", "yy"], "b": ["zzz"], "c": ["w"]})

    answer = await measuring(measures, FakeCounter())(CALLER, "suite", limit=2)

    assert answer == Measurement(runs=2, samples=4, remaining_runs=1)
    assert measures.stored["a0"] == Tokens(input=6, output=4, estimated=True)
    assert set(measures.stored) == {"a0", "a1", "a2", "b0"}


async def test_a_call_ends_in_time_and_the_next_one_goes_on() -> None:
    measures = FakeMeasures({"a": ["x"] * 5, "b": ["y"]})
    measure = measuring(measures, FakeCounter(), budget_s=2)

    first = await measure(CALLER, "suite", limit=9)
    second = await measure(CALLER, "suite", limit=9)
    third = await measure(CALLER, "suite", limit=9)

    assert first == Measurement(runs=1, samples=4, remaining_runs=2)
    assert second == Measurement(runs=2, samples=2, remaining_runs=0)
    assert third == Measurement(runs=0, samples=0, remaining_runs=0)


async def test_a_call_comes_forward_however_little_time_it_has() -> None:
    measures = FakeMeasures({"a": ["x"] * 3})

    answer = await measuring(measures, FakeCounter(), budget_s=0)(CALLER, "suite", limit=1)

    assert answer == Measurement(runs=1, samples=2, remaining_runs=1)


async def test_a_run_that_went_back_to_work_meanwhile_is_not_counted() -> None:
    measures = FakeMeasures({"a": ["x"], "b": ["y"]}, gone={"a"})

    answer = await measuring(measures, FakeCounter())(CALLER, "suite", limit=2)

    assert (answer.runs, answer.samples) == (1, 1)


async def test_without_a_tokenizer_it_is_refused() -> None:
    measures = FakeMeasures({"a": ["x"]})

    with pytest.raises(TokenizerMissing):
        await measuring(measures, FakeCounter(missing=True))(CALLER, "suite", limit=2)

    assert measures.stored == {}
