"""The gateway's proof of whose key a schedule starts runs with."""

from dataclasses import dataclass

from servicekit import tokens
from servicekit.caller import Caller
from servicekit.errors import Kind, ServiceError

AUDIENCE = "proctor-schedule"
# What ends a grant is the end of its key, which is looked at each time; a date is only a formality.
_LIFETIME_S = 50 * 366 * 24 * 3600


class ScheduleGrantInvalid(ServiceError):
    """The grant is not ours, was changed, or is another schedule's."""

    kind = Kind.PERMISSION_DENIED
    reason = "SCHEDULE_GRANT_INVALID"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleGrant:
    """Whose key a schedule has."""

    schedule_id: str
    org_id: str
    team_id: str
    key_id: str
    on_behalf_of: str


def sign_grant(caller: Caller, schedule_id: str, secret: bytes) -> str:
    """Sign that `caller` lent its key to a schedule."""
    claims = {
        "schedule": schedule_id,
        "org": caller.org_id,
        "team": caller.team_id,
        "key": caller.key_id,
        "obo": caller.on_behalf_of,
    }
    return tokens.sign(claims, secret, lifetime_s=_LIFETIME_S, audience=AUDIENCE)


def read_grant(token: str, secret: bytes, *, schedule_id: str) -> ScheduleGrant:
    """Return what a grant says.

    Raises:
        ScheduleGrantInvalid: it is not ours, was changed, or is another schedule's.
    """
    try:
        claims = tokens.verify(token, secret, audience=AUDIENCE)
    except tokens.TokenInvalid as error:
        raise ScheduleGrantInvalid("the schedule's grant is not valid") from error
    if claims.get("schedule") != schedule_id:
        raise ScheduleGrantInvalid("the grant is another schedule's")
    return ScheduleGrant(
        schedule_id=schedule_id,
        org_id=claims["org"],
        team_id=claims["team"],
        key_id=claims["key"],
        on_behalf_of=claims["obo"],
    )
