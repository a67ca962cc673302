import pytest

from importer.domain.dataset import DatasetError, EmptyDataset, RowFormat, RowLimits
from importer.domain.normalising import Normaliser
from importer.domain.row_writer import RowWriter


def normalised(
    raw: bytes,
    row_format: RowFormat = RowFormat.JSONL,
    *,
    max_rows: int | None = None,
    limits: RowLimits | None = None,
) -> bytes:
    writer = RowWriter(max_rows=max_rows, limits=limits or RowLimits())
    normaliser = Normaliser(row_format, writer)
    written = normaliser.feed(raw) + normaliser.end()
    writer.check_not_empty()
    return written


def test_jsonl_becomes_compact_lines_without_blank_ones() -> None:
    raw = b'\xef\xbb\xbf{"a": 1}\r\n\r\n \t\n{"a": {"b": [null]}}'

    assert normalised(raw) == b'{"a":1}\n{"a":{"b":[null]}}\n'


def test_csv_becomes_objects_of_texts() -> None:
    raw = b"\xef\xbb\xbfq,a\n1+1,2\n"

    assert normalised(raw, RowFormat.CSV) == b'{"q":"1+1","a":"2"}\n'


def test_rows_behind_max_rows_are_not_looked_at() -> None:
    writer = RowWriter(max_rows=2, limits=RowLimits())
    normaliser = Normaliser(RowFormat.JSONL, writer)

    rows = normaliser.feed(b'{"a":1}\n{"a":2}\nnot json\n')

    assert rows == b'{"a":1}\n{"a":2}\n'
    assert writer.is_full
    assert writer.row_count == 2


def test_a_record_behind_max_rows_need_not_be_closed() -> None:
    assert normalised(b'a\n1\n"open', RowFormat.CSV, max_rows=1) == b'{"a":"1"}\n'


def test_max_rows_above_the_number_of_rows_changes_nothing() -> None:
    assert normalised(b'{"a":1}\n', max_rows=5) == b'{"a":1}\n'


def test_a_row_of_too_many_values_is_named() -> None:
    raw = b'{"a":1}\n{"a":[' + b"0," * 250_000 + b"0]}\n"

    with pytest.raises(DatasetError, match="line 2 has more than 250000 values"):
        normalised(raw)


@pytest.mark.parametrize(
    ("raw", "row_format"),
    [
        (b"", RowFormat.JSONL),
        (b"\n \n", RowFormat.JSONL),
        (b"", RowFormat.CSV),
        (b"a,b\n", RowFormat.CSV),
    ],
)
def test_no_rows_is_an_error_of_its_own(raw: bytes, row_format: RowFormat) -> None:
    with pytest.raises(EmptyDataset):
        normalised(raw, row_format)


def test_a_bad_line_is_named() -> None:
    with pytest.raises(DatasetError, match=r"line 3 is not a JSON object") as refusal:
        normalised(b'{"a":1}\n\n[2]\n')

    assert refusal.value.metadata["line"] == "3"


def test_a_value_that_cannot_be_stored_is_named_with_its_line() -> None:
    with pytest.raises(DatasetError, match=r"line 2 holds a NUL character"):
        normalised(b"a\nx\x00\n", RowFormat.CSV)


def test_more_rows_than_allowed_are_refused_unless_capped() -> None:
    raw, limits = b'{"a":1}\n' * 3, RowLimits(row_count=2)

    assert normalised(raw, max_rows=2, limits=limits)
    with pytest.raises(DatasetError, match=r"more than 2 rows; set `max_rows`"):
        normalised(raw, limits=limits)


def test_short_lines_cannot_make_long_rows() -> None:
    limits = RowLimits(row_bytes=100)
    header = b"x" * 90

    with pytest.raises(DatasetError, match=r"line 2 makes a row of more than 100 bytes"):
        normalised(header + b"\n123456\n", RowFormat.CSV, limits=limits)
