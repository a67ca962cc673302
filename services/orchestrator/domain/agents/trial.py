"""One finished attempt of an agent at a task, and what is wrong with a list of them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from orchestrator.domain.sample import SampleState
from orchestrator.domain.tokens import Tokens
from servicekit.errors import Kind, ServiceError, Violation

# Of one request: with texts of usual length this is the size of body that is taken.
TRIALS_MAX = 1_000
# Of one run: its figures are worked out from all its rows each time trials come.
RUN_TRIALS_MAX = 100_000

_PROBLEMS_MAX = 50


class RunNotRecorded(ServiceError):
    """The run is no run of an agent; trials cannot be added to it."""

    kind = Kind.FAILED_PRECONDITION
    reason = "RUN_NOT_RECORDED"

    def __init__(self, run_id: str) -> None:
        message = f"run {run_id} is no run of an agent, so it takes no trials"
        super().__init__(message, run_id=run_id)


class TooManyTrials(ServiceError):
    """The run would have more trials than a run may have; nothing was stored."""

    kind = Kind.INVALID_ARGUMENT
    reason = "TOO_MANY_TRIALS"

    def __init__(self) -> None:
        message = f"a run may have at most {RUN_TRIALS_MAX} trials"
        super().__init__(message, param="trials", trials_max=RUN_TRIALS_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A trial as it was reported.

    Attributes:
        state: COMPLETED or FAILED; an error alone does not make a trial a failure.
        error_json: What the trial recorded as its exception, a JSON object; empty for none.
        cost_usd: None: nobody said.
        phase_timings_json: Phase to its times, a JSON object; empty for none.
    """

    task_id: str
    sample_index: int
    state: SampleState
    prompt: str
    target: str | None
    output_text: str | None
    scores: Mapping[str, float]
    error_json: bytes
    cost_usd: float | None
    tokens: Tokens
    phase_timings_json: bytes


def trial_problems(trials: Sequence[Trial], known: Collection[str]) -> Iterator[Violation]:
    """Find trials of tasks that are not `known`, and trials that stand in each other's place."""
    if len(trials) > TRIALS_MAX:
        message = f"trials may have at most {TRIALS_MAX} entries, not {len(trials)}"
        yield Violation("trials", "TOO_MANY_TRIALS", message)
        return
    yield from islice(_unknown_tasks(trials, known), _PROBLEMS_MAX)
    yield from islice(_repeated_places(trials), _PROBLEMS_MAX)


def _unknown_tasks(trials: Sequence[Trial], known: Collection[str]) -> Iterator[Violation]:
    for place, trial in enumerate(trials):
        if trial.task_id not in known:
            path = f"trials[{place}].task_id"
            message = f"{path} is no task of the version: {trial.task_id!r}"
            yield Violation(path, "UNKNOWN_TASK_IDS", message)


def _repeated_places(trials: Sequence[Trial]) -> Iterator[Violation]:
    first: dict[tuple[str, int], int] = {}
    for place, trial in enumerate(trials):
        earlier = first.setdefault((trial.task_id, trial.sample_index), place)
        if earlier != place:
            path = f"trials[{place}].sample_index"
            message = f"{path} is that of trials[{earlier}], which has the same task"
            yield Violation(path, "DUPLICATE_TRIAL", message)
