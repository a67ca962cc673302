"""Rows of a Parquet file as Python values, a bounded batch at a time."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from importer.outbound.parquet.blocks import BlockFile

BATCH_BYTES = 8 * 1024 * 1024
BATCH_ROWS_MAX = 1_000
_COLUMN_BUFFERS_BYTES = 64 * 1024 * 1024  # over all columns; each has one
_COLUMN_BUFFER_BYTES_MIN = 64 * 1024


class FileInvalid(Exception):
    """The file cannot be used; the message says why."""


def numbered_batches(
    file: BlockFile, *, row_count: int, columns: int
) -> Iterator[tuple[int, list[dict[str, object]]]]:
    """Yield the first rows of a file in batches, with the number of each batch's first, from 1.

    Raises:
        FileInvalid: it is no Parquet file, has too many columns, or a type that cannot be shown.
    """
    try:
        table = _opened(file, columns)
        first = 1
        for group in range(table.metadata.num_row_groups):
            for batch in table.iter_batches(
                batch_size=_rows_of(table.metadata.row_group(group)),
                row_groups=[group],
                use_threads=False,
            ):
                rows = _rows(batch.slice(0, row_count - first + 1))
                if rows:
                    yield first, rows
                first += len(rows)
                if first > row_count:
                    return
    except pa.ArrowMemoryError:
        raise
    except (pa.ArrowException, ValueError, OverflowError, OSError) as error:
        said = str(error).split("\n", 1)[0][:300]
        raise FileInvalid(f"cannot be read as Parquet: {said}") from None


def _opened(file: BlockFile, columns: int) -> Any:
    metadata = pq.read_metadata(file)
    if metadata.num_columns > columns:
        raise FileInvalid(f"has {metadata.num_columns} columns; {columns} are allowed")
    share = _COLUMN_BUFFERS_BYTES // max(1, metadata.num_columns)
    # Without a buffer each column of a row group is read whole.
    return pq.ParquetFile(
        file,
        metadata=metadata,
        buffer_size=max(_COLUMN_BUFFER_BYTES_MIN, min(share, BATCH_BYTES)),
        pre_buffer=False,
        arrow_extensions_enabled=False,
    )


def _rows_of(group: Any) -> int:
    """Return how many rows of a group make a batch, if they are all alike."""
    row_bytes = max(1, int(group.total_byte_size) // max(1, int(group.num_rows)))
    return max(1, min(BATCH_ROWS_MAX, BATCH_BYTES // row_bytes))


def _rows(batch: Any) -> list[dict[str, object]]:
    names = batch.schema.names
    if len(set(names)) != len(names):
        raise FileInvalid("has two columns of the same name")
    shown = [
        column if (plain := _plain(column.type)) == column.type else column.cast(plain, safe=False)
        for column in batch.columns
    ]
    table = pa.RecordBatch.from_arrays(shown, names=names)
    rows: list[dict[str, object]] = table.to_pylist(maps_as_pydicts="lossy")
    return rows


def _plain(kind: Any) -> Any:
    """Return the type whose values Python can hold: times to a microsecond, zones as UTC."""
    if pa.types.is_nested(kind):
        return _plain_nested(kind)
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us" if kind.unit == "ns" else kind.unit, "UTC" if kind.tz else None)
    if pa.types.is_duration(kind):
        return pa.duration("us" if kind.unit == "ns" else kind.unit)
    if pa.types.is_time64(kind):
        return pa.time64("us")
    return _plain(kind.value_type) if pa.types.is_dictionary(kind) else kind


def _plain_nested(kind: Any) -> Any:
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_plain(field.type)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(_plain(kind.key_type), _plain(kind.item_type))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_plain(kind.value_type), kind.list_size)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_plain(kind.value_type))
    return kind
