"""What an import needs of the outside: where files come from, and who keeps runs."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from pydantic import SecretStr

from importer.domain.harness.samples import HarnessSample
from importer.domain.history import Committed, ImportOrder, StagedRun, Standing
from importer.domain.hub import HubFile


class Repository(Protocol):
    """Where files come from: a hub's repository, or a folder."""

    async def commit(self, repo: str, revision: str) -> str:
        """Return the commit that a revision is now."""
        ...

    def files(self, repo: str, revision: str) -> AsyncGenerator[HubFile, None]:
        """Yield all files."""
        ...

    def content(self, repo: str, revision: str, path: str) -> AsyncGenerator[bytes, None]:
        """Yield a file's bytes."""
        ...


class Repositories(Protocol):
    """A hub."""

    def asked_as(self, token: SecretStr | None) -> AbstractAsyncContextManager[Repository]:
        """Let a block see repositories as whoever has this token."""
        ...


class RunHistory(Protocol):
    """Who keeps runs."""

    async def look_up(self, order: ImportOrder, paths: Sequence[str]) -> Standing:
        """Tell where runs would go, and what is there; raise what the keeper refuses with."""
        ...

    async def stage(
        self, run_id: str, time: datetime, batches: AsyncIterator[Sequence[HarnessSample]]
    ) -> int:
        """Hand over the samples of a future run; return how many were kept."""
        ...

    async def commit(self, order: ImportOrder, commit: str, runs: Sequence[StagedRun]) -> Committed:
        """Make staged samples runs, all or none."""
        ...

    async def completed(self, run_ids: Sequence[str]) -> None:
        """Wait until runs have ended, for a while."""
