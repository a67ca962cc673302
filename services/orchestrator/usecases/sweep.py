"""Find what is unfinished and in nobody's hands."""

import asyncio

from orchestrator.ports.stores import Leases
from servicekit import logs
from servicekit.errors import ServiceError

_log = logs.get_logger("orchestrator.sweep")


class Sweeper:
    """Looks every `period_s` for work whose message was lost or whose worker is gone."""

    def __init__(self, leases: Leases, *, period_s: float) -> None:
        self._leases = leases
        self._period_s = period_s

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            try:
                found = await self._leases.sweep()
            except ServiceError as error:
                # After Postgres was away workers renew their leases before we call them abandoned.
                _log.warning("sweep_failed", error=repr(error))
            except Exception:  # noqa: BLE001 -- a sweep is as good as the next one
                _log.exception("sweep_failed")
            else:
                if found:
                    _log.info("work_redispatched", pieces=found)
            await asyncio.sleep(self._period_s)
