"""Who a call is made for, and how that travels between services.

The caller is a signed token in the call's metadata: a service believes the signature, not the
network.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import Protocol

from servicekit import tokens
from servicekit.errors import Kind, ServiceError

CALLER_METADATA_KEY = "proctor-caller"
_AUDIENCE = "proctor-caller"


class CallerMissing(ServiceError):
    """The call says nothing about whom it is made for."""

    kind = Kind.UNAUTHENTICATED
    reason = "CALLER_MISSING"


class CallerInvalid(ServiceError):
    """What the call says about its caller was not signed by us, or too long ago."""

    kind = Kind.UNAUTHENTICATED
    reason = "CALLER_INVALID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whom a call is made for; fields as in proctor.common.v1.Caller."""

    org_id: str
    team_id: str
    key_id: str = ""
    on_behalf_of: str = ""
    scopes: tuple[str, ...] = ()
    request_id: str = ""
    is_org_admin: bool = False


class OfTeam(Protocol):
    """Whatever belongs to a team."""

    @property
    def org_id(self) -> str:
        """The team's organisation."""
        ...

    @property
    def team_id(self) -> str:
        """The team within it."""
        ...


def team_of(owned: OfTeam) -> str:
    """The full name of a team: teams of two organisations may share the short one."""
    return f"{owned.org_id}/{owned.team_id}"


def sign_caller(caller: Caller, secret: bytes, *, lifetime_s: float = 60) -> str:
    """The caller as a signed token for the metadata key `proctor-caller`."""
    return tokens.sign(asdict(caller), secret, lifetime_s=lifetime_s, audience=_AUDIENCE)


def verify_caller(token: str, secret: bytes) -> Caller:
    """The caller that a service of ours signed.

    Raises:
        CallerInvalid: the token is not ours, is over, or names no team.
    """
    try:
        claims = tokens.verify(token, secret, audience=_AUDIENCE)
    except tokens.TokenInvalid as error:
        raise CallerInvalid(f"the caller was refused: {error.message}") from error
    if not claims.get("org_id") or not claims.get("team_id"):
        raise CallerInvalid("the caller names no organisation or no team")
    return Caller(
        org_id=claims["org_id"],
        team_id=claims["team_id"],
        key_id=claims.get("key_id", ""),
        on_behalf_of=claims.get("on_behalf_of", ""),
        scopes=tuple(claims.get("scopes", ())),
        request_id=claims.get("request_id", ""),
        is_org_admin=claims.get("is_org_admin") is True,
    )


def current_caller() -> Caller:
    """The caller of the RPC that is being handled.

    Raises:
        CallerMissing: no RPC is being handled here.
    """
    caller = _served.get()
    if caller is None:
        raise CallerMissing("this call says nothing about its caller")
    return caller


@contextmanager
def calling_as(caller: Caller) -> Iterator[None]:
    """Make the calls to other services inside the block for this caller."""
    previous = _calling.set(caller)
    try:
        yield
    finally:
        _calling.reset(previous)


def serve_for(caller: Caller) -> None:
    """Make `caller` the current one for the rest of this task; for the server's interceptor."""
    _served.set(caller)


def outgoing_caller() -> Caller:
    """Whom a call to another service is made for: `calling_as`, else the RPC being handled.

    Raises:
        CallerMissing: neither is there.
    """
    return _calling.get() or current_caller()


_served: ContextVar[Caller | None] = ContextVar("served_caller", default=None)
_calling: ContextVar[Caller | None] = ContextVar("calling_caller", default=None)
