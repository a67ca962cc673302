"""Lend a key to a schedule, and let the schedule's runs call models as long as the key is good."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain.schedule_grant import read_grant, sign_grant
from gateway.domain.scopes import Scope
from gateway.ports import ApiKeys
from gateway.usecases.admit_run import AdmitRun
from servicekit.caller import Caller
from servicekit.errors import Kind, ServiceError


class ScheduleKeyInvalid(ServiceError):
    """The key that was lent to the schedule is revoked, or may not start runs any more."""

    kind = Kind.PERMISSION_DENIED
    reason = "SCHEDULE_KEY_INVALID"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledRun:
    """A run that a schedule starts."""

    schedule_id: str
    run_id: str
    candidates: Sequence[str]
    judge: str | None
    embedding: str | None


class AdmitScheduledRuns:
    """Grants keys to schedules and admits their runs.

    Args:
        keys: The keys of this installation.
        admit_run: Makes run tokens.
        secret: Signs grants; the gateway's alone.
    """

    def __init__(self, keys: ApiKeys, admit_run: AdmitRun, *, secret: bytes) -> None:
        self._keys = keys
        self._admit_run = admit_run
        self._secret = secret

    def grant(self, caller: Caller, schedule_id: str) -> str:
        """Return the proof that `caller` lent its key to a schedule."""
        return sign_grant(caller, schedule_id, self._secret)

    async def admit(self, grant: str, run: ScheduledRun) -> str:
        """Return a run token for the team and end user of the grant.

        Raises:
            ScheduleGrantInvalid: the grant is not ours, or another schedule's.
            ScheduleKeyInvalid: its key is revoked, or may not start runs any more.
        """
        granted = read_grant(grant, self._secret, schedule_id=run.schedule_id)
        key = await self._keys.find(granted.key_id)
        if key is None or key.revoked_at is not None or Scope.WRITE_EVALS not in key.scopes:
            message = (
                f"key {granted.key_id}, which the schedule starts runs with, is not valid any "
                "more; change the schedule with another key"
            )
            raise ScheduleKeyInvalid(message, key_id=granted.key_id)
        caller = Caller(
            org_id=granted.org_id,
            team_id=granted.team_id,
            key_id=granted.key_id,
            on_behalf_of=granted.on_behalf_of,
        )
        return self._admit_run.again(
            caller,
            run.run_id,
            candidates=run.candidates,
            judge=run.judge,
            embedding=run.embedding,
        )
