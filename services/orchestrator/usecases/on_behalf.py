"""Whom background work is done for."""

from orchestrator.domain.run import Run
from servicekit.caller import Caller


def caller_of(run: Run) -> Caller:
    """Return the caller for calls that are made for a run, long after its request was answered."""
    return Caller(org_id=run.org_id, team_id=run.team_id, on_behalf_of=run.on_behalf_of)
