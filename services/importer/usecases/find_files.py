"""Look files up."""

from collections.abc import Sequence

from importer.domain.file import File, Owner
from importer.domain.lookup import FileNotFound, check_batch
from importer.ports import Files


async def get_file(files: Files, owner: Owner, file_id: str) -> File:
    """Return one file of the team.

    Raises:
        FileNotFound: the team has no such file.
    """
    found = await files.find(owner, [file_id])
    if not found:
        raise FileNotFound(file_id)
    return found[0]


async def get_files(files: Files, owner: Owner, file_ids: Sequence[str]) -> list[File]:
    """Return those of the files that the team has.

    Raises:
        InvalidPage: more than 1,000 ids.
    """
    check_batch(len(file_ids))
    return await files.find(owner, file_ids)
