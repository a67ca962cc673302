"""Give back the space of what nobody can reach any more."""

from dataclasses import dataclass
from datetime import timedelta

from blobstore.store import BlobStore
from importer.ports import BlobUses, Datasets
from servicekit.clock import Clock

BATCH = 100
UPLOAD_S_MAX = 24 * 3_600.0  # no upload takes a day; what is older was left by a killed process


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveUnused:
    """Removes blobs that a crash left behind, and rows whose file was deleted.

    Attributes:
        keep: so long rows stay after they were last asked for, because a run may be reading them.
    """

    datasets: Datasets
    uses: BlobUses
    blobs: BlobStore
    clock: Clock
    keep: timedelta

    async def __call__(self) -> int:
        """Look at up to 100 noted blobs, oldest first, and return how many there were."""
        await self.blobs.remove_abandoned(older_than_s=UPLOAD_S_MAX)
        await self.datasets.forget(unused_since=self.clock.utc_now() - self.keep)
        noted = await self.uses.noted(limit=BATCH)
        for sha256 in noted:
            await self.uses.release(sha256, remove=self.blobs.delete)
        return len(noted)
