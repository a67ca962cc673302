"""Delete the vectors and inputs of runs that nobody can put back to work."""

from orchestrator.ports.embedding import RunObjects, UnneededVectors
from servicekit import logs
from servicekit.rounds import in_rounds

_BATCH = 20

_log = logs.get_logger("orchestrator.drop_vectors")


class VectorRemover:
    """Looks for such runs from time to time; who dies in between leaves the rest to the next.

    Args:
        period_s: Time between looks.
    """

    def __init__(self, unneeded: UnneededVectors, objects: RunObjects, *, period_s: float) -> None:
        self._unneeded = unneeded
        self._objects = objects
        self._period_s = period_s

    async def run(self) -> None:
        """Remove until cancelled."""
        failed = "vectors_not_removed"
        await in_rounds(self.remove, period_s=self._period_s, log=_log, failed=failed)

    async def remove(self) -> int:
        """Remove the objects of all runs that need none; return how many runs it were."""
        removed = 0
        while runs := await self._unneeded.pending(limit=_BATCH):
            for run_id in runs:
                objects = await self._objects.delete_below(run_id)
                await self._unneeded.gone(run_id)
                _log.info("vectors_removed", run_id=run_id, objects=objects)
            removed += len(runs)
        return removed
