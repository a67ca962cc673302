"""Store a file."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from blobstore.store import BlobStore, BlobTooLarge
from importer.domain.file import File, NewFile, Owner
from importer.domain.upload import FileTooLarge
from importer.ports import BlobUses, Files
from servicekit.clock import Clock
from servicekit.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadFile:
    """Stores the bytes first and then the record: a record never lacks its bytes."""

    files: Files
    uses: BlobUses
    blobs: BlobStore
    clock: Clock
    max_bytes: int

    async def __call__(self, owner: Owner, new: NewFile, chunks: AsyncIterator[bytes]) -> File:
        """Store what `chunks` yields; when it raises, nothing is stored.

        Raises:
            FileTooLarge: more than `max_bytes`.
            FileIdTaken: the chosen id has another owner or content.
            UploadRaced: repeat the upload.
        """
        try:
            blob = await self.blobs.put_stream(chunks, max_bytes=self.max_bytes)
        except BlobTooLarge:
            message = f"the file is larger than {self.max_bytes} bytes"
            raise FileTooLarge(message, param="file", max_bytes=self.max_bytes) from None
        file = File(
            id=new.id or new_id("file"),
            owner=owner,
            filename=new.filename,
            purpose=new.purpose,
            size_bytes=blob.size_bytes,
            sha256=blob.sha256,
            created_at=self.clock.utc_now(),
        )
        try:
            return await self.files.add(file, still_there=self.blobs.exists)
        except BaseException:  # also when the caller went away: the bytes must not stay behind
            await self.uses.release(blob.sha256, remove=self.blobs.delete)
            raise
