"""Verified run tokens, remembered so that a call costs a look-up and not a signature."""

from collections import OrderedDict
from datetime import datetime

from gateway.bridge.call import CallFailed
from gateway.domain.run_token import (
    ReadToken,
    RunGrant,
    RunTokenInvalid,
    read_run_token,
    renew_run_token,
)
from servicekit.clock import Clock

REMEMBERED_MAX = 4096  # runs with calls in flight at a time; beyond it tokens are verified again
# The longest ids of 20 candidates, a judge and an embedding model take half of it; the rest is for
# the operator's list of grader models.
TOKEN_CHARS_MAX = 32768


class RunTokens:
    """Reads and renews run tokens signed with one secret."""

    def __init__(self, secret: bytes, clock: Clock) -> None:
        self._secret = secret
        self._clock = clock
        self._remembered: OrderedDict[str, ReadToken] = OrderedDict()

    def grant_of(self, token: str) -> RunGrant:
        """Return what `token` allows.

        Raises:
            CallFailed: `run_token_invalid`, it is not ours, was changed or has expired.
        """
        known = self._remembered.get(token)
        if known is not None and self._clock.utc_now() < known.expires_at:
            self._remembered.move_to_end(token)
            return known.grant
        self._remembered.pop(token, None)
        return self._verify(token).grant

    def renew(self, token: str) -> tuple[str, datetime]:
        """Return a fresh token with the bounds of `token`, and when it expires.

        Raises:
            RunTokenInvalid: it is not ours, or its first token was minted more than 30 days ago.
        """
        _refuse_long(token)
        fresh = renew_run_token(token, self._secret, now=self._clock.utc_now())
        return fresh, read_run_token(fresh, self._secret).expires_at

    def _verify(self, token: str) -> ReadToken:
        try:
            _refuse_long(token)
            read = read_run_token(token, self._secret)
        except RunTokenInvalid as error:
            raise CallFailed("run_token_invalid", error.message) from error
        self._remembered[token] = read
        if len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)
        return read


def _refuse_long(token: str) -> None:
    if len(token) > TOKEN_CHARS_MAX:
        raise RunTokenInvalid("the run token is too long to be one")
