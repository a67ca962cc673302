"""Have files deleted that runs do not need any more."""

from orchestrator.domain.run import DiscardedFile
from orchestrator.ports.services import FileRemoval
from orchestrator.ports.stores import Discards
from orchestrator.usecases.failures import is_passing
from servicekit import logs
from servicekit.caller import Caller, calling_as
from servicekit.errors import Kind, ServiceError
from servicekit.rounds import in_rounds

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
        await in_rounds(self.remove, period_s=self._period_s, log=_log, failed="files_not_removed")

    async def remove(self) -> None:
        """Ask for every discarded file once; one that is refused stays discarded.

        Raises:
            ServiceError: the importer or Postgres is away; what is left stays discarded.
        """
        refused: set[str] = set()
        while discarded := await self._discards.pending(limit=_BATCH):
            unasked = [file for file in discarded if file.id not in refused]
            if not unasked:
                # They come last: all others were asked for.
                return
            refused |= {file.id for file in unasked if not await self._remove(file)}

    async def _remove(self, file: DiscardedFile) -> bool:
        try:
            with calling_as(Caller(org_id=file.org_id, team_id=file.team_id)):
                await self._files.delete(file.id)
        except ServiceError as error:
            # Not found: somebody deleted it, or it was never stored.
            if error.kind is not Kind.NOT_FOUND:
                await self._discards.put_off(file.id)
                if is_passing(error):
                    raise
                _log.warning("file_not_removed", file_id=file.id, error=repr(error))
                return False
        await self._discards.gone(file.id)
        return True
