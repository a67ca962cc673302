"""Short-lived signed claims, as JWT with HS256."""

import time
from collections.abc import Mapping
from typing import Any

import jwt

from servicekit.errors import Kind, ServiceError

CLOCK_LEEWAY_S = 10  # two machines' clocks may differ by this much
SECRET_MIN_BYTES = 32  # HS256 is only as strong as its key; RFC 7518 asks for 256 bits
_ALGORITHM = "HS256"


class TokenInvalid(ServiceError):
    """The token was not made by us, or not for this purpose."""

    kind = Kind.UNAUTHENTICATED
    reason = "TOKEN_INVALID"


class TokenExpired(TokenInvalid):
    """The token was ours and its time is over."""

    reason = "TOKEN_EXPIRED"


def sign(claims: Mapping[str, object], secret: bytes, *, lifetime_s: float, audience: str) -> str:
    """A token that carries `claims` and is good for `lifetime_s` seconds and this audience only.

    Raises:
        ValueError: the secret has fewer than 32 bytes.
    """
    require_strong(secret)
    now = time.time()
    stamped = {**claims, "aud": audience, "iat": int(now), "exp": int(now + lifetime_s)}
    return jwt.encode(stamped, secret, algorithm=_ALGORITHM)


def verify(
    token: str, secret: bytes, *, audience: str, allow_expired_s: float = 0
) -> dict[str, Any]:
    """The claims of a token we signed for `audience`, with `iat` and `exp` (seconds since 1970).

    A token is taken for `allow_expired_s` seconds past its end: renewal needs that, nothing else
    does.

    Raises:
        TokenExpired: it was good, and its time is over.
        TokenInvalid: anything else is wrong with it.
        ValueError: the secret has fewer than 32 bytes.
    """
    require_strong(secret)
    try:
        return jwt.decode(
            token,
            secret,
            algorithms=[_ALGORITHM],
            audience=audience,
            leeway=CLOCK_LEEWAY_S + allow_expired_s,
            options={"require": ["exp", "iat", "aud"]},
        )
    except jwt.ExpiredSignatureError as error:
        raise TokenExpired("the token has expired") from error
    except jwt.InvalidTokenError as error:
        raise TokenInvalid("the token is not valid") from error


def require_strong(secret: bytes) -> None:
    """Refuse a secret that is too short to sign with.

    Raises:
        ValueError: it has fewer than 32 bytes.
    """
    if len(secret) < SECRET_MIN_BYTES:
        raise ValueError(f"a signing secret needs at least {SECRET_MIN_BYTES} bytes")
