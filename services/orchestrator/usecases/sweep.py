"""Find what is unfinished and in nobody's hands."""

from orchestrator.ports.stores import Leases
from servicekit import logs
from servicekit.rounds import in_rounds

_log = logs.get_logger("orchestrator.sweep")


class Sweeper:
    """Looks every `period_s` for work whose message was lost or whose worker is gone."""

    def __init__(self, leases: Leases, *, period_s: float) -> None:
        self._leases = leases
        self._period_s = period_s

    async def run(self) -> None:
        """Sweep until cancelled.

        After Postgres was away workers renew their leases before the next sweep.
        """
        await in_rounds(self._sweep, period_s=self._period_s, log=_log, failed="sweep_failed")

    async def _sweep(self) -> None:
        found = await self._leases.sweep()
        if found:
            _log.info("work_redispatched", pieces=found)
