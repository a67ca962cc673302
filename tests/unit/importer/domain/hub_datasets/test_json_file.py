import json

import pytest

from importer.domain.dataset import DatasetError, RowLimits
from importer.domain.hub_datasets.json_file import JsonFile
from importer.domain.row_writer import RowWriter

ROWS = [{"a": "é]}", "n": [1, {"b": None}]}, {}, {"a": '"[{,'}]
LINES = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)


def read(
    raw: bytes, *, step: int, limits: RowLimits | None = None, most: int | None = None
) -> list[object]:
    file = JsonFile(RowWriter(max_rows=most, limits=limits or RowLimits()))
    written = b"".join(file.feed(raw[at : at + step]) for at in range(0, len(raw), step))
    return [json.loads(line) for line in (written + file.end()).splitlines()]


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1_000])
@pytest.mark.parametrize(
    "raw",
    [
        LINES,
        json.dumps(ROWS).encode(),
        json.dumps(ROWS, indent=4, ensure_ascii=False).encode(),
        b"\n \n" + json.dumps(ROWS).encode() + b"\n\n",
        LINES[:-1],
    ],
)
def test_both_forms_give_the_same_rows_however_they_are_cut(raw: bytes, step: int) -> None:
    assert read(raw, step=step) == ROWS


def test_a_byte_order_mark_is_dropped() -> None:
    assert read(b"\xef\xbb\xbf[{}]", step=10) == [{}]
    assert read(b"\xef\xbb\xbf{}", step=10) == [{}]


def test_rows_behind_max_rows_are_not_looked_at() -> None:
    assert read(b'[{"a": 1}, {"a": 2}, nonsense', step=4, most=2) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"[{}, 3]", "row 2 is not a JSON object"),
        (b"[{} {}]", "row 2 is not a JSON object"),
        (b"[{},]", "row 2 is not a JSON object"),
        (b"[[]]", "row 1 is not a JSON object"),
        (b"[{}]]", "row 2 is not a JSON object"),
        (b"[{}, {", "row 2 is cut off"),
        (b"[", "row 1 is cut off"),
        (b'[{"a": NaN}]', "row 1 holds NaN"),
        (b'[{"a": 1, "a": 2}]', 'row 1 has the key "a" twice'),
        (b'[{"a": "\xff"}]', "row 1 is not UTF-8"),
        (b'[{"a": ' + b"[" * 100 + b"]" * 100 + b"}]", "row 1 is nested deeper"),
        (b'[{"a": "' + b"x" * 2_000 + b'"}]', "row 1 .* 1000 bytes"),
        (b"[{}, {" + b" " * 2_000, "row 2 is not valid JSON, or longer"),
        (b'{\n"a": 1\n}', "line 1 is not valid JSON"),
    ],
)  # fmt: skip
def test_a_bad_row_is_named(raw: bytes, sentence: str) -> None:
    with pytest.raises(DatasetError, match=sentence):
        read(raw, step=64, limits=RowLimits(row_bytes=1_000))
