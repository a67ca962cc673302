"""The run token: which model calls a run may make, signed so that the bridge can decide alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from servicekit import tokens
from servicekit.errors import Kind, ServiceError

AUDIENCE = "proctor-run"
LIFETIME_S = 3600
RENEWABLE_S = (
    30 * 24 * 3600
)  # as long as a run may live; after that its models must be asked for again
ANY_MODEL = "*"
ID_CHARS_MAX = 512


class RunTokenInvalid(ServiceError):
    """The run token is not ours, was changed, is too old, or does not say what a run token says."""

    kind = Kind.UNAUTHENTICATED
    reason = "RUN_TOKEN_INVALID"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunGrant:
    """What one run may ask of models.

    Attributes:
        on_behalf_of: End user of the caller, sent on to the provider; empty when there is none.
        candidates: Models whose answers the run evaluates.
        judge: Model that graders get for `auto`; None when the run named none.
        embedding: Model that graders get for `auto` embeddings; None when the run named none.
        grader_models: Further models that graders may name; `("*",)` is any.
        max_calls: Calls the whole run may make, repeats by the bridge not counted; None: no limit.
    """

    run_id: str
    org_id: str
    team_id: str
    on_behalf_of: str = ""
    candidates: tuple[str, ...] = ()
    judge: str | None = None
    embedding: str | None = None
    grader_models: tuple[str, ...] = ()
    max_calls: int | None = None

    def __post_init__(self) -> None:
        """Refuse values that no run can have."""
        assert self.run_id
        assert self.org_id
        assert self.team_id
        # It becomes a header of the upstream request: a line break there would start a new header.
        assert self.on_behalf_of.isprintable()
        assert len(self.on_behalf_of) <= ID_CHARS_MAX
        assert self.max_calls is None or self.max_calls >= 0

    def allows_candidate(self, model: str) -> bool:
        """True when the run evaluates `model`."""
        return model in self.candidates

    def allows_grader(self, model: str, *, embeddings: bool) -> bool:
        """True when a grader of the run may call `model`, for embeddings or for text."""
        own = self.embedding if embeddings else self.judge
        return model == own or ANY_MODEL in self.grader_models or model in self.grader_models


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadToken:
    """A verified token: its grant, when it ends, and when the first of its chain was minted."""

    grant: RunGrant
    expires_at: datetime
    born_at: datetime


def mint_run_token(grant: RunGrant, secret: bytes, *, now: datetime) -> str:
    """Sign `grant` for one hour; `now`, aware, starts the 30 days in which it can be renewed."""
    return _sign(grant, secret, born_at=now)


def read_run_token(token: str, secret: bytes) -> ReadToken:
    """Return what `token` grants.

    Raises:
        RunTokenInvalid: it is not a run token of ours, or has expired.
    """
    return _read(token, secret, allow_expired_s=0)


def renew_run_token(token: str, secret: bytes, *, now: datetime) -> str:
    """Return a token with the same grant for another hour, also for one that has expired.

    Raises:
        RunTokenInvalid: it is not a run token of ours, or its chain began more than 30 days
            before `now`.
    """
    read = _read(token, secret, allow_expired_s=RENEWABLE_S)
    if now - read.born_at > timedelta(seconds=RENEWABLE_S):
        raise RunTokenInvalid("the run token is older than 30 days and cannot be renewed")
    return _sign(read.grant, secret, born_at=read.born_at)


def _sign(grant: RunGrant, secret: bytes, *, born_at: datetime) -> str:
    claims: dict[str, object] = {
        "run": grant.run_id,
        "org": grant.org_id,
        "team": grant.team_id,
        "obo": grant.on_behalf_of,
        "candidates": list(grant.candidates),
        "judge": grant.judge,
        "embedding": grant.embedding,
        "grader_models": list(grant.grader_models),
        "max_calls": grant.max_calls,
        "born": int(born_at.timestamp()),
    }
    return tokens.sign(claims, secret, lifetime_s=LIFETIME_S, audience=AUDIENCE)


def _read(token: str, secret: bytes, *, allow_expired_s: int) -> ReadToken:
    try:
        claims = tokens.verify(token, secret, audience=AUDIENCE, allow_expired_s=allow_expired_s)
    except ServiceError as error:
        raise RunTokenInvalid("the run token is not valid or has expired") from error
    try:
        return ReadToken(
            grant=_grant_of(claims),
            expires_at=datetime.fromtimestamp(_whole(claims, "exp"), UTC),
            born_at=datetime.fromtimestamp(_whole(claims, "born"), UTC),
        )
    except (AssertionError, KeyError, TypeError) as error:
        raise RunTokenInvalid("the run token lacks a claim") from error


def _grant_of(claims: Mapping[str, object]) -> RunGrant:
    max_calls = claims["max_calls"]
    return RunGrant(
        run_id=_text(claims, "run"),
        org_id=_text(claims, "org"),
        team_id=_text(claims, "team"),
        on_behalf_of=_text(claims, "obo"),
        candidates=_texts(claims, "candidates"),
        judge=None if claims["judge"] is None else _text(claims, "judge"),
        embedding=None if claims["embedding"] is None else _text(claims, "embedding"),
        grader_models=_texts(claims, "grader_models"),
        max_calls=None if max_calls is None else _whole(claims, "max_calls"),
    )


def _text(claims: Mapping[str, object], name: str) -> str:
    value = claims[name]
    if not isinstance(value, str):
        raise TypeError(name)
    return value


def _texts(claims: Mapping[str, object], name: str) -> tuple[str, ...]:
    value = claims[name]
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise TypeError(name)
    return tuple(value)


def _whole(claims: Mapping[str, object], name: str) -> int:
    value = claims[name]
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(name)
    return value
