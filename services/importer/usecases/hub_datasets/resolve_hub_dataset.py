"""Turn a dataset of the hub into rows at rest."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from importer.domain.dataset import DatasetError, DatasetSource, RowFormat, RowLimits, Rows
from importer.domain.file import Owner
from importer.domain.hub import (
    HubAnswerInvalid,
    HubForbidden,
    HubNotFound,
    HubUnavailable,
    is_commit,
    is_repo,
    is_revision,
)
from importer.domain.hub_datasets.wanted import WantedDataset
from importer.domain.row_writer import RowWriter
from importer.ports import HubSession, TableReader
from importer.usecases.hub_datasets.find_hub_files import FindHubFiles
from importer.usecases.hub_datasets.hub_rows import Budget, HubRows
from importer.usecases.rows_at_rest import RowsAtRest
from servicekit import logs
from servicekit.caller import team_of
from servicekit.turns import Turns

DEFAULT_REVISION = "main"

_log = logs.get_logger("importer.hub")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveHubDataset:
    """Downloads a dataset once for each commit and way it is asked for; later calls find the rows.

    Attributes:
        hub: opens the hub as the operator's token sees it.
        at_once: how many datasets may be read at the same time; teams take turns at them.
        download_bytes_max: most bytes of one dataset that are fetched.
        time_s: longest time for one dataset.
    """

    hub: Callable[[], AbstractAsyncContextManager[HubSession]]
    tables: TableReader
    at_rest: RowsAtRest
    limits: RowLimits
    at_once: Turns
    download_bytes_max: int
    time_s: float

    async def __call__(self, owner: Owner, wanted: WantedDataset) -> Rows:
        """Return the rows; a branch or tag is looked up each time, a whole commit needs no hub.

        Raises:
            DatasetError: there is no such dataset, it cannot be read, or the hub is away; the
                message says what to do.
            EmptyDataset: there is no row.
            DatasetRaced: repeat the call.
        """
        _check(wanted)
        if wanted.revision is not None and is_commit(wanted.revision):
            rows = await self.at_rest.known(_source(wanted, wanted.revision))
            if rows is not None:
                return rows
        try:
            return await self._asked(owner, wanted)
        except (HubForbidden, HubNotFound, HubUnavailable, HubAnswerInvalid) as error:
            raise _explained(error, wanted) from error

    async def _asked(self, owner: Owner, wanted: WantedDataset) -> Rows:
        async with self.hub() as session:
            commit = await session.commit(wanted.repo, wanted.revision or DEFAULT_REVISION)
            source = _source(wanted, commit)
            rows = await self.at_rest.known(source)
            if rows is None:
                async with self.at_once.place(team_of(owner)):
                    # Whoever waited may find that the one before did the same work.
                    rows = await self.at_rest.known(source)
                    rows = rows or await self._in_time(session, wanted, source, commit)
        return rows

    async def _in_time(
        self, session: HubSession, wanted: WantedDataset, source: DatasetSource, commit: str
    ) -> Rows:
        try:
            async with asyncio.timeout(self.time_s):
                return await self._read(session, wanted, source, commit)
        except TimeoutError:
            message = f"reading it took longer than {self.time_s:.0f} s; set `max_rows`"
            raise DatasetError(message, param="max_rows") from None

    async def _read(
        self, session: HubSession, wanted: WantedDataset, source: DatasetSource, commit: str
    ) -> Rows:
        found = await FindHubFiles(session, wanted, commit)()
        writer = RowWriter(max_rows=wanted.max_rows, limits=self.limits)
        budget = Budget(self.download_bytes_max)
        reading = HubRows(
            session=session,
            repo=wanted.repo,
            found=found,
            tables=self.tables,
            writer=writer,
            budget=budget,
        )
        rows = await self.at_rest.keep(source, reading.written(), writer)
        _log.info(
            "hub_dataset_read",
            repo=wanted.repo,
            commit=commit,
            row_count=rows.row_count,
            downloaded_bytes=self.download_bytes_max - budget.left,
        )
        return rows


def _check(wanted: WantedDataset) -> None:
    if not is_repo(wanted.repo):
        message = f"{wanted.repo[:64]!r} is not the name of a dataset: `owner/name`"
        raise DatasetError(message, param="path")
    if wanted.revision is not None and not is_revision(wanted.revision):
        raise DatasetError("`revision` is not a branch, tag or commit", param="revision")


def _source(wanted: WantedDataset, commit: str) -> DatasetSource:
    return DatasetSource(
        sha256=wanted.digest(commit), row_format=RowFormat.HUB, max_rows=wanted.max_rows
    )


def _explained(
    error: HubForbidden | HubNotFound | HubUnavailable | HubAnswerInvalid, wanted: WantedDataset
) -> DatasetError:
    revision = wanted.revision or DEFAULT_REVISION
    match error:
        case HubForbidden():
            message = (
                "the hub does not show this dataset to this server: it is private, gated or not "
                "there; check `path`, or ask the operator to set IMPORTER_HUB_TOKEN to a token "
                "that may read it"
            )
        case HubNotFound():
            message = (
                f"the hub has no such dataset, or it has no revision {revision[:64]!r}, or hides "
                "them from this server's token; check `path` and `revision`"
            )
        case HubUnavailable():
            message = (
                f"{error.message}; retry the run later (rows that were read before at a whole "
                "commit, given as `revision`, need no hub)"
            )
        case _:
            message = f"{error.message}; ask the operator to check IMPORTER_HUB_URL"
    return DatasetError(message, param="path")
