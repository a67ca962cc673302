"""Delete a file."""

from dataclasses import dataclass

from blobstore.store import BlobStore
from importer.domain.file import Owner
from importer.domain.lookup import FileNotFound
from importer.ports import BlobUses, Files


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteFile:
    """Removes the record first and then, if nothing else refers to them, the bytes."""

    files: Files
    uses: BlobUses
    blobs: BlobStore

    async def __call__(self, owner: Owner, file_id: str) -> None:
        """Delete a file of the team.

        Raises:
            FileNotFound: the team has no such file.
        """
        file = await self.files.remove(owner, file_id)
        if file is None:
            raise FileNotFound(file_id)
        await self.uses.release(file.sha256, remove=self.blobs.delete)
