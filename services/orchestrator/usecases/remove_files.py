"""Have files deleted that runs do not need any more."""

import asyncio

from orchestrator.domain.run import DiscardedFile
from orchestrator.ports.services import FileRemoval
from orchestrator.ports.stores import Discards
from servicekit import logs
from servicekit.caller import Caller, calling_as
from servicekit.errors import Kind, ServiceError

_BATCH = 100

_log = logs.get_logger("orchestrator.remove_files")


class FileRemover:
    """Looks every `period_s` for discarded files; several replicas may do so at once."""

    def __init__(self, discards: Discards, files: FileRemoval, *, period_s: float) -> None:
        self._discards = discards
        self._files = files
        self._period_s = period_s

    async def run(self) -> None:
        """Remove until cancelled."""
        while True:
            try:
                await self.remove()
            except ServiceError as error:
                _log.warning("files_not_removed", error=repr(error))
            except Exception:  # noqa: BLE001 -- the next look is as good
                _log.exception("files_not_removed")
            await asyncio.sleep(self._period_s)

    async def remove(self) -> None:
        """Delete every discarded file once.

        Raises:
            ServiceError: the importer or Postgres is away, or refuses; the files stay discarded.
        """
        while discarded := await self._discards.pending(limit=_BATCH):
            for file in discarded:
                await self._remove(file)

    async def _remove(self, file: DiscardedFile) -> None:
        try:
            with calling_as(Caller(org_id=file.org_id, team_id=file.team_id)):
                await self._files.delete(file.id)
        except ServiceError as error:
            # Somebody deleted it, or it was never stored.
            if error.kind is not Kind.NOT_FOUND:
                await self._discards.put_off(file.id)
                raise
        await self._discards.gone(file.id)
