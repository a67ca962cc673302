import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from conformance.importer.conftest import Ports
from importer.domain.dataset import DatasetRaced, DatasetSource, RowFormat, Rows
from importer.domain.file import File, Owner, Purpose
from importer.domain.lookup import InvalidCursor, Listing
from importer.domain.upload import FileIdTaken, UploadRaced
from servicekit.ids import new_id

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OWNER = Owner(org_id="org", team_id="team")
OTHERS = (Owner(org_id="org", team_id="other"), Owner(org_id="other", team_id="team"))


def sha256(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def a_file(content: str = "a", *, owner: Owner = OWNER, minute: int = 0, file_id: str = "") -> File:
    return File(
        id=file_id or new_id("file"),
        owner=owner,
        filename="a.jsonl",
        purpose=Purpose.EVALS,
        size_bytes=len(content),
        sha256=sha256(content),
        created_at=NOW + timedelta(minutes=minute),
    )


def a_source(content: str = "a", max_rows: int | None = None) -> DatasetSource:
    return DatasetSource(sha256=sha256(content), row_format=RowFormat.JSONL, max_rows=max_rows)


def rows(content: str) -> Rows:
    return Rows(sha256=sha256(content), row_count=1, size_bytes=7)


async def there(_: str) -> bool:
    return True


async def gone(_: str) -> bool:
    return False


async def released(ports: Ports, content: str) -> bool:
    removed: list[str] = []

    async def remove(sha256: str) -> None:
        removed.append(sha256)

    await ports.uses.release(sha256(content), remove=remove)
    return removed == [sha256(content)]


async def test_a_file_is_found_by_its_team_only(ports: Ports) -> None:
    file = await ports.files.add(a_file(), still_there=there)

    assert await ports.files.find(OWNER, [file.id, "file_x"]) == [file]
    for other in OTHERS:
        assert await ports.files.find(other, [file.id]) == []
        assert await ports.files.remove(other, file.id) is None
        assert (await ports.files.page(other, Listing(limit=5))).files == []


async def test_an_id_keeps_its_first_record(ports: Ports) -> None:
    first = await ports.files.add(a_file(), still_there=there)

    again = a_file(file_id=first.id, minute=5)
    assert await ports.files.add(again, still_there=there) == first
    for other in (a_file("b", file_id=first.id), a_file(owner=OTHERS[0], file_id=first.id)):
        with pytest.raises(FileIdTaken):
            await ports.files.add(other, still_there=there)


async def test_a_record_without_its_bytes_is_not_stored(ports: Ports) -> None:
    file = a_file()

    with pytest.raises(UploadRaced):
        await ports.files.add(file, still_there=gone)
    with pytest.raises(DatasetRaced):
        await ports.datasets.add(a_source(), rows("r"), still_there=gone, now=NOW)

    assert await ports.files.find(OWNER, [file.id]) == []
    assert await ports.datasets.find(a_source(), now=NOW) is None


async def test_pages_follow_each_other_also_where_times_are_equal(ports: Ports) -> None:
    files = [await ports.files.add(a_file(minute=n // 2), still_there=there) for n in range(5)]
    expected = [file.id for file in sorted(files, key=lambda file: (file.created_at, file.id))]

    for ascending, order in ((True, expected), (False, expected[::-1])):
        seen: list[str] = []
        more = True
        while more:
            after = seen[-1] if seen else ""
            page = await ports.files.page(
                OWNER, Listing(limit=2, after_id=after, ascending=ascending)
            )
            seen += [file.id for file in page.files]
            more = page.has_more
        assert seen == order


async def test_a_page_after_an_unknown_file_is_refused(ports: Ports) -> None:
    with pytest.raises(InvalidCursor):
        await ports.files.page(OWNER, Listing(limit=1, after_id="file_x"))


async def test_files_are_filtered(ports: Ports) -> None:
    one = await ports.files.add(a_file("one"), still_there=there)
    await ports.files.add(a_file("two"), still_there=there)

    by_content = await ports.files.page(OWNER, Listing(limit=5, sha256=sha256("one")))
    by_purpose = await ports.files.page(OWNER, Listing(limit=5, purpose=Purpose.BATCH))

    assert by_content.files == [one]
    assert by_purpose.files == []


async def test_a_blob_is_released_when_neither_file_nor_rows_use_it(ports: Ports) -> None:
    one = await ports.files.add(a_file("x"), still_there=there)
    two = await ports.files.add(a_file("x", owner=OTHERS[0]), still_there=there)
    await ports.datasets.add(a_source("x"), rows("x"), still_there=there, now=NOW)

    assert not await released(ports, "x")
    assert await ports.files.remove(OWNER, one.id) == one
    assert await ports.uses.noted(limit=5) == [sha256("x")]
    assert not await released(ports, "x")
    assert await ports.uses.noted(limit=5) == []
    await ports.files.remove(OTHERS[0], two.id)
    assert not await released(ports, "x")
    await ports.datasets.forget(unused_since=NOW + timedelta(seconds=1))
    assert await released(ports, "x")


async def test_rows_are_known_by_content_format_and_cap(ports: Ports) -> None:
    await ports.datasets.add(a_source(), rows("all"), still_there=there, now=NOW)
    await ports.datasets.add(a_source(max_rows=1), rows("one"), still_there=there, now=NOW)

    assert await ports.datasets.find(a_source(), now=NOW) == rows("all")
    assert await ports.datasets.find(a_source(max_rows=1), now=NOW) == rows("one")
    assert await ports.datasets.find(a_source(max_rows=2), now=NOW) is None
    csv = DatasetSource(sha256=sha256("a"), row_format=RowFormat.CSV)
    assert await ports.datasets.find(csv, now=NOW) is None


async def test_rows_made_anew_replace_the_old_ones(ports: Ports) -> None:
    await ports.datasets.add(a_source(), rows("old"), still_there=there, now=NOW)
    await ports.datasets.add(a_source(), rows("new"), still_there=there, now=NOW)

    assert await ports.datasets.find(a_source(), now=NOW) == rows("new")


async def test_rows_in_use_are_not_forgotten(ports: Ports) -> None:
    await ports.datasets.add(a_source(), rows("r"), still_there=there, now=NOW)
    later = NOW + timedelta(hours=1)

    await ports.datasets.find(a_source(), now=later)
    await ports.datasets.forget(unused_since=later)

    assert await ports.datasets.find(a_source(), now=later) == rows("r")
    assert await ports.uses.noted(limit=5) == []
