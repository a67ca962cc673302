"""A run of an agent as it is asked to be recorded."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from orchestrator.domain.agents.trial import Trial
from orchestrator.domain.run import Agent
from servicekit.errors import Kind, ServiceError, Violation

# Clocks of two machines may differ by this much.
_AHEAD_MAX = timedelta(minutes=5)


class KeyReused(ServiceError):
    """The idempotency key stands for a run that was reported otherwise."""

    kind = Kind.ALREADY_EXISTS
    reason = "IDEMPOTENCY_KEY_REUSED"

    def __init__(self, run_id: str) -> None:
        message = f"this idempotency key already recorded {run_id} with another body"
        super().__init__(message, run_id=run_id, param="idempotency_key")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRunDraft:
    """What is reported of a run.

    Attributes:
        suite_version: None for the active one.
        cost_usd: Of the whole run; None for the sum over its trials.
        created_at: When it happened; None for now.
        idempotency_key: Empty for none.
        expected_trials: How many there will be; None: nobody knows.
        finalize: False leaves the run open for further trials.
    """

    suite_id: str
    suite_version: int | None
    agent: Agent
    model: str
    cost_usd: float | None
    created_at: datetime | None
    metadata: Mapping[str, str]
    idempotency_key: str
    trials: Sequence[Trial]
    expected_trials: int | None
    finalize: bool

    def sha256(self) -> str:
        """Return what is equal for drafts that ask for the same, in hexadecimal."""
        canonical = orjson.dumps(self, default=_plain, option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(canonical).hexdigest()


def time_problems(created_at: datetime | None, now: datetime) -> Iterator[Violation]:
    """Find a run that has not happened yet."""
    if created_at is not None and created_at > now + _AHEAD_MAX:
        message = "created_at must not be in the future"
        yield Violation("created_at", "INVALID_CREATED_AT", message)


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode()
    raise TypeError(type(value))
