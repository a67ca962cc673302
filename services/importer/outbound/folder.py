"""A folder on this machine, read as if it were a repository."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from pathlib import Path

from importer.domain.hub import HubFile

_CHUNK_BYTES = 1024 * 1024


class Folder:
    """Harness output in a folder; see `usecases.history_ports.Repository`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def commit(self, repo: str, revision: str) -> str:
        """Return a digest of the files' names, sizes and times: the state of the folder."""
        del repo, revision
        digest = hashlib.sha256()
        for path in await asyncio.to_thread(self._found):
            file = path.stat()
            told = f"{path}\0{file.st_size}\0{file.st_mtime_ns}\n"
            digest.update(told.encode(errors="surrogateescape"))  # names need not be UTF-8
        return digest.hexdigest()[:40]

    async def files(self, repo: str, revision: str) -> AsyncGenerator[HubFile, None]:
        """Yield all files; links that lead out of the folder are none."""
        del repo, revision
        for path in await asyncio.to_thread(self._found):
            name = path.relative_to(self._path).as_posix()
            yield HubFile(path=name, size_bytes=path.stat().st_size)

    async def content(self, repo: str, revision: str, path: str) -> AsyncGenerator[bytes, None]:
        """Yield a file's bytes."""
        del repo, revision
        with (self._path / path).open("rb") as file:
            while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
                yield chunk

    def _found(self) -> list[Path]:
        inside = self._path.resolve()
        return sorted(
            path
            for path in self._path.rglob("*")
            if path.is_file() and path.resolve().is_relative_to(inside)
        )
