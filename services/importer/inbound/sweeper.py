"""The clock as a caller: gives back unused space every now and then."""

import asyncio

from importer.usecases.remove_unused import BATCH, RemoveUnused
from servicekit import logs

PERIOD_S = 60.0  # what it finds is left by crashes and deletions; nobody waits for it

_log = logs.get_logger("importer.sweeper")


class Sweeper:
    """Calls the use case until it is cancelled; a failure is logged and tried again."""

    def __init__(self, remove_unused: RemoveUnused) -> None:
        self._remove_unused = remove_unused

    async def run(self) -> None:
        """Sweep for ever."""
        while True:
            try:
                while await self._remove_unused() == BATCH:
                    continue
            except Exception:  # noqa: BLE001 - the store may be away; the next round is soon
                _log.warning("sweep_failed", exc_info=True)
            await asyncio.sleep(PERIOD_S)
