"""A folder that stands in for the hub where there is no network."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from pydantic import SecretStr

from importer.domain.hub import HubFile, HubNotFound, is_path, is_repo

CHUNK_BYTES = 1024 * 1024
_ONLY_BRANCH = "main"
_NO_DATA = frozenset({".git", ".cache"})  # what `git clone` and `hf download` keep for themselves


class FolderHub:
    """Repositories as folders, `owner/name` below one; `main` is all that each has of history.

    Its commit is a digest of the names, lengths and times of its files: it moves when one of them
    changes. Tokens are not looked at.

    Args:
        folder: where the repositories lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @asynccontextmanager
    async def asked_as(self, _token: SecretStr | None) -> AsyncIterator["FolderSession"]:
        """The same for everybody."""
        yield FolderSession(self._folder)


class FolderSession:
    """See `importer.ports.HubSession`; raises HubNotFound for what is not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def commit(self, repo: str, revision: str) -> str:
        """Return the commit that the repository is now."""
        now = await asyncio.to_thread(self._commit, repo)
        if revision not in (_ONLY_BRANCH, now):
            raise HubNotFound("the folder has no such revision")
        return now

    async def files(
        self, repo: str, revision: str, *, folder: str = ""
    ) -> AsyncGenerator[HubFile, None]:
        """Yield the files in a folder and its folders, by name."""
        await self.commit(repo, revision)
        for file in await asyncio.to_thread(self._files, repo):
            if not folder or file.path.startswith(f"{folder}/"):
                yield file

    async def content(
        self, repo: str, revision: str, path: str, *, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of a file from `start` to before `end`, None to its end."""
        await self.commit(repo, revision)
        file = await asyncio.to_thread(self._opened, repo, path)
        with file:
            await asyncio.to_thread(file.seek, start)
            while end is None or start < end:
                most = CHUNK_BYTES if end is None else min(CHUNK_BYTES, end - start)
                chunk = await asyncio.to_thread(file.read, most)
                if not chunk:
                    return
                start += len(chunk)
                yield chunk

    def address(self, repo: str, _revision: str) -> str:
        """Return the repository's name: where the folder lies is nobody else's business."""
        return self._root(repo).relative_to(self._folder).as_posix()

    def _root(self, repo: str) -> Path:
        root = self._folder / repo
        if not is_repo(repo) or not root.is_dir():
            raise HubNotFound("the folder has no such repository")
        return root

    def _commit(self, repo: str) -> str:
        root, digest = self._root(repo), hashlib.sha256()
        for file in self._files(repo):
            changed_ns = (root / file.path).stat().st_mtime_ns
            told = f"{file.path}\0{file.size_bytes}\0{changed_ns}\n"
            digest.update(told.encode(errors="surrogateescape"))  # names need not be UTF-8
        return digest.hexdigest()[:40]

    def _files(self, repo: str) -> list[HubFile]:
        root = self._root(repo)
        return [
            HubFile(path=path.relative_to(root).as_posix(), size_bytes=path.stat().st_size)
            for path in sorted(root.rglob("*"))
            if not _NO_DATA & set(path.relative_to(root).parts) and self._is_inside(path)
        ]

    def _opened(self, repo: str, path: str) -> BinaryIO:
        found = self._root(repo) / path
        if not is_path(path) or not self._is_inside(found):
            raise HubNotFound("the folder has no such file")
        return found.open("rb")

    def _is_inside(self, path: Path) -> bool:
        """A link may lead to another place of the folder, and to none outside."""
        return path.is_file() and path.resolve().is_relative_to(self._folder.resolve())
