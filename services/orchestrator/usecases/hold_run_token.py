"""Hold a run's token and renew it in time."""

import asyncio
from datetime import datetime, timedelta

from orchestrator.domain.run_token import expires_at
from orchestrator.ports.services import Bridge
from orchestrator.ports.stores import RunSteps
from orchestrator.usecases.backoff import Backoff
from orchestrator.usecases.failures import is_passing
from servicekit import logs
from servicekit.clock import Clock
from servicekit.errors import ServiceError

# The bridge refuses an expired token, and a call may wait for its turn after it was sent.
CALL_MARGIN = timedelta(minutes=10)

# However short a fresh token lasts, and whether there is one at all, asking more often is no help.
_PAUSE = timedelta(minutes=1)

_log = logs.get_logger("orchestrator.hold_run_token")


class RunToken:
    """The token of one run, as this process knows it."""

    def __init__(
        self, run_id: str, token: str, *, bridge: Bridge, steps: RunSteps, clock: Clock
    ) -> None:
        self._run_id = run_id
        self._bridge = bridge
        self._steps = steps
        self._clock = clock
        self._renewing = asyncio.Lock()
        self._token = token
        self._expires_at = expires_at(token)
        self._paused_until: datetime | None = None

    async def current(self, *, margin: timedelta = CALL_MARGIN) -> str:
        """Return the token, renewed when it is not good for `margin` any more."""
        if not self.lasts(margin):
            async with self._renewing:
                if not self.lasts(margin):
                    await self._renew()
        return self._token

    async def replace(self, refused: str) -> str:
        """Return another token than one that was refused, if there can be another."""
        async with self._renewing:
            if self._token == refused:
                await self._renew()
        return self._token

    def lasts(self, margin: timedelta) -> bool:
        """Tell whether the token is good for `margin`, or cannot be made so for now."""
        now = self._clock.utc_now()
        if self._paused_until is not None and now < self._paused_until:
            return True
        return self._expires_at is not None and self._expires_at - now > margin

    async def _renew(self) -> None:
        backoff = Backoff()
        while True:
            try:
                self._token = await self._bridge.renew(self._token)
            except ServiceError as error:
                if is_passing(error):
                    await backoff.wait()
                    continue
                # The calls themselves will be refused, sample by sample, with a clear code.
                _log.warning("renewal_refused", run_id=self._run_id, error=repr(error))
            else:
                self._expires_at = expires_at(self._token)
                await self._keep()
            self._paused_until = self._clock.utc_now() + _PAUSE
            return

    async def _keep(self) -> None:
        try:
            await self._steps.note_token(self._run_id, self._token)
        except ServiceError as error:  # another worker will renew it once more
            _log.warning("renewal_not_kept", run_id=self._run_id, error=repr(error))


class RunTokens:
    """Makes the tokens of runs that this process works on."""

    def __init__(self, bridge: Bridge, steps: RunSteps, clock: Clock) -> None:
        self._bridge = bridge
        self._steps = steps
        self._clock = clock

    def of(self, run_id: str, token: str) -> RunToken:
        """Return a run's token, to be held as long as something of the run is worked on."""
        return RunToken(run_id, token, bridge=self._bridge, steps=self._steps, clock=self._clock)
