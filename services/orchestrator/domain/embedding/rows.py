"""What a row of an embedding task's datasets says: its texts, ids, labels and numbers."""

import json
import math
from collections.abc import Mapping

from manifest.embedding import EmbeddingProtocol
from orchestrator.domain.text import storable, whole

Row = Mapping[str, object]


class RowUnusable(Exception):
    """A row lacks what the task needs of it; the text says what, for the row as its subject."""


def read_row(line: bytes) -> Row:
    """Return a row of a resolved dataset, which is one JSON object.

    Raises:
        RowUnusable: it has a number or a depth that Python cannot hold.
    """
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RowUnusable("cannot be read as JSON") from error
    if not isinstance(row, dict):
        raise RowUnusable("is not an object")
    return row


def sample_texts(row: Row, protocol: EmbeddingProtocol) -> list[str]:
    """Return the texts of a sample's row: two of a pair, else one.

    Raises:
        RowUnusable: a column is missing.
    """
    if protocol.kind == "sts":
        columns = [protocol.text1_column, protocol.text2_column]
    else:
        columns = [protocol.text_column]
    return [_cut(_text(row, column), protocol) for column in columns]


def training_text(row: Row, protocol: EmbeddingProtocol) -> str:
    """Return the text of a training row; RowUnusable when it has none."""
    return _cut(_text(row, protocol.text_column), protocol)


def document_text(row: Row, protocol: EmbeddingProtocol) -> str:
    """Return the text of a document, its title in front; RowUnusable when it has no text column."""
    text = _text(row, protocol.text_column)
    title = as_text(row.get(protocol.title_column))
    return _cut((f"{title} {text}" if title else text).strip(), protocol)


def id_in(row: Row, column: str) -> str:
    """Return an id: a text, or a whole number as text; RowUnusable when there is none."""
    value = _value(row, column)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RowUnusable(f"has no text or whole number in the column `{column}`")
    return as_text(value)


def ids_in(row: Row, column: str) -> list[str]:
    """Return a list of different ids, a list or one as JSON text; RowUnusable when there is none.

    CSV knows only texts, hence the second form.
    """
    value = _value(row, column)
    if isinstance(value, str):
        value = _listed(value)
    if not isinstance(value, list):
        raise RowUnusable(f"has no list in the column `{column}`")
    return list(dict.fromkeys(id_in({column: entry}, column) for entry in value))


def number_in(row: Row, column: str) -> float:
    """Return a finite number, or a text that is one; RowUnusable when there is none."""
    value = _value(row, column)
    number = math.nan
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
    if not math.isfinite(number):
        raise RowUnusable(f"has no finite number in the column `{column}`")
    return number


def label_in(row: Row, column: str) -> str:
    """Return a label as text; RowUnusable when the column is missing or null."""
    value = _value(row, column)
    if value is None:
        raise RowUnusable(f"has no label in the column `{column}`")
    return as_text(value)


def labels_in(row: Row, column: str) -> list[str]:
    """Return the labels of a row, maybe none; RowUnusable when they are no list."""
    value = _value(row, column)
    if isinstance(value, str):
        value = _listed(value)
    if not isinstance(value, list):
        raise RowUnusable(f"has no list of labels in the column `{column}`")
    return list(dict.fromkeys(as_text(entry) for entry in value))


def as_text(value: object) -> str:
    """Return a value as templates print it: texts as they are, others as compact JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return storable(whole(value))
    if isinstance(value, float) and value.is_integer() and math.isfinite(value):
        value = int(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _text(row: Row, column: str) -> str:
    return as_text(_value(row, column))


def _value(row: Row, column: str) -> object:
    if column not in row:
        raise RowUnusable(f"has no column `{column}`")
    return row[column]


def _cut(text: str, protocol: EmbeddingProtocol) -> str:
    return text[: protocol.max_chars]


def _listed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
