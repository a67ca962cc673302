from itertools import chain
from typing import Any

import pytest

from integration.orchestrator.outbound.postgres.stores import CALLER, Stores, opened
from orchestrator.domain.listing import Page, RunFilter, SampleFilter
from orchestrator.domain.suite import VersionContent
from orchestrator.outbound.postgres import pages

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("sizes", "entries_max", "length"),
    [
        ([], 10, 0),
        ([1, 1, 1], 2, 2),
        ([20 * MIB, 1], 10, 1),
        ([7 * MIB, 7 * MIB, 1], 10, 2),
        ([1, 20 * MIB, 1], 10, 1),
    ],
)
def test_a_page_ends_before_it_is_too_large(
    sizes: list[int], entries_max: int, length: int
) -> None:
    assert pages.page_length(sizes, entries_max=entries_max) == length


async def all_pages(read: Any, cursor: Any = lambda entry: entry.id) -> list[list[str]]:
    """Ids page by page, until there are no more."""
    found: list[list[str]] = []
    after, more = "", True
    while more:
        part = await read(Page(size=100, after=after))
        found.append([cursor(entry) for entry in part.entries])
        after, more = found[-1][-1], part.has_more
    return found


async def test_versions_of_a_suite_come_in_pages_that_fit_a_message(postgres_dsn: str) -> None:
    content = VersionContent(
        manifest_json=b'{"x": "%s"}' % (b"x" * 3_700_000),
        task_ids=[],
        dataset_file_ids=[],
        metadata={},
    )
    async with opened(postgres_dsn) as stores:
        await stores.add_run()
        ((suite_id,),) = await stores.query("SELECT suite_id FROM suites")
        for _ in range(6):
            await stores.suites.add_version(CALLER, suite_id, content, activate=False)

        found = await all_pages(lambda page: stores.suites.list_versions(CALLER, suite_id, page))

    assert [len(part) for part in found] == [3, 4]
    assert len(set(chain.from_iterable(found))) == 7


async def test_suites_come_in_pages_that_fit_a_message(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE_BYTES_MAX", 10_000)
    async with opened(postgres_dsn) as stores:
        for _ in range(4):
            await stores.add_run()
        await stores.execute(
            """UPDATE suites SET metadata = json_build_object('k', repeat('x', 3000))"""
        )

        found = await all_pages(lambda page: stores.suites.list_page(CALLER, page))

    assert [len(part) for part in found] == [2, 2]
    assert len(set(chain.from_iterable(found))) == 4


async def test_runs_come_in_pages_that_fit_a_message(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE_BYTES_MAX", 10_000)
    async with opened(postgres_dsn) as stores:
        for _ in range(4):
            await stores.add_run(metadata={"k": "x" * 3000})

        found = await all_pages(lambda page: stores.runs.list_page(CALLER, RunFilter(), page))

    assert [len(part) for part in found] == [2, 2]
    assert len(set(chain.from_iterable(found))) == 4


@pytest.mark.parametrize(
    "change",
    [
        """state = 'completed', scores = jsonb_build_object('note', repeat('x', 6000000))""",
        """state = 'failed', error_code = 'x', error_message = repeat('x', 6000000)""",
    ],
)
async def test_scores_and_messages_count_in_a_page_of_samples(
    postgres_dsn: str, change: str
) -> None:
    async def read(stores: Stores, run_id: str) -> list[list[str]]:
        return await all_pages(
            lambda page: stores.runs.list_samples(CALLER, run_id, SampleFilter(), page)
        )

    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run(4)
        await stores.execute(f"UPDATE samples SET ended_at = now(), {change}")  # noqa: S608

        assert [len(part) for part in await read(stores, run_id)] == [2, 2]
