"""What the use cases need of the tables for runs of agents and for trajectories.

Each method is one transaction. All raise a ServiceError of kind UNAVAILABLE when Postgres is away.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from orchestrator.domain.agents.record import AgentRunDraft
from orchestrator.domain.agents.trajectory import SampleRef, Trajectory
from orchestrator.domain.agents.trial import Trial
from orchestrator.domain.metrics import GroupResult
from orchestrator.domain.run import Run
from orchestrator.domain.suite import VersionRef
from servicekit.caller import Caller

MetricsOf = Callable[[Sequence[GroupResult]], bytes]
"""The `metrics` object of a run, as JSON, from what its samples add up to."""


class AgentRuns(Protocol):
    """Recorded runs of agents. Their figures are always worked out from the stored trials."""

    async def find(self, caller: Caller, idempotency_key: str) -> tuple[Run, str] | None:
        """Return the team's run with this key and its draft's SHA-256; None when there is none."""
        ...

    async def add(
        self,
        caller: Caller,
        draft: AgentRunDraft,
        version: VersionRef,
        *,
        created_at: datetime,
        metrics_of: MetricsOf,
    ) -> Run | None:
        """Store a run with its trials, in progress or, when it is to be completed, finalizing.

        None, and nothing stored, when the team has a run with the same idempotency key. Raises
        SuiteNotFound when the suite was deleted meanwhile.
        """
        ...

    async def append(
        self,
        caller: Caller,
        run_id: str,
        trials: Sequence[Trial],
        *,
        finalize: bool,
        metrics_of: MetricsOf,
    ) -> Run:
        """Store trials in the places of those with the same task and index, and add up again.

        Appends to the same run wait for each other. Raises RunNotFound, SharedReadOnly,
        RunNotRecorded, RunNotOpen, RequestInvalid for tasks that the version does not have, and
        TooManyTrials.
        """
        ...

    async def hand_over(self, run_id: str) -> None:
        """Ask for a worker to finalise a run."""
        ...


class Trajectories(Protocol):
    """Trajectories of samples of any run."""

    async def put(self, caller: Caller, ref: SampleRef, trajectory: Trajectory) -> SampleRef:
        """Store or replace a trajectory; return its sample with task and model.

        Raises RunNotFound, SharedReadOnly, SampleNotFound or SampleAmbiguous.
        """
        ...

    async def get(self, caller: Caller, ref: SampleRef) -> tuple[SampleRef, Trajectory]:
        """Return a trajectory and its sample with task and model.

        Raises RunNotFound, SampleNotFound, SampleAmbiguous or TrajectoryNotFound.
        """
        ...
