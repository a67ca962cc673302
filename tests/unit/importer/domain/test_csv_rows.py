import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.domain.csv_rows import CsvReader
from importer.domain.dataset import DatasetError, RowLimits
from importer.domain.lines import LineCutter

LIMITS = RowLimits(row_bytes=10_000, columns=4)


def read(text: str, limits: RowLimits = LIMITS) -> list[tuple[int, dict[str, object]]]:
    cutter, reader = LineCutter(line_bytes_max=100_000), CsvReader(limits)
    lines = [*cutter.feed(text.encode()), *cutter.end()]
    rows = [row for line in lines for row in reader.read(line)]
    reader.end()
    return rows


def rows_of(text: str) -> list[dict[str, object]]:
    return [row for _, row in read(text)]


def test_every_value_is_text() -> None:
    assert rows_of("a,b\n1,true\n") == [{"a": "1", "b": "true"}]


def test_carriage_returns_before_line_feeds_do_not_count() -> None:
    assert rows_of("a,b\r\n1,2\r\n3,4\r") == rows_of("a,b\n1,2\n3,4")


def test_quoted_cells_may_hold_commas_quotes_and_lines() -> None:
    assert rows_of('"a",b\r\n"1,""x""\r\ny\n",2\r\n') == [{"a": '1,"x"\r\ny\n', "b": "2"}]


def test_an_empty_cell_is_an_empty_text() -> None:
    assert rows_of('a,b,c\n,"",\n') == [{"a": "", "b": "", "c": ""}]


def test_a_short_row_is_filled_up() -> None:
    assert rows_of("a,b,c\n1\n") == [{"a": "1", "b": "", "c": ""}]


def test_a_blank_line_is_no_row_but_a_quoted_empty_cell_is_one() -> None:
    assert rows_of('\na\n\n1\r\n\r\n""\n') == [{"a": "1"}, {"a": ""}]


def test_a_row_carries_the_number_of_its_first_line() -> None:
    assert [number for number, _ in read('a\n"x\ny"\n\nz\n')] == [2, 5]


@given(
    table=st.lists(
        st.lists(st.text(alphabet='ab,"\n\ré '), min_size=3, max_size=3), min_size=1, max_size=5
    ),
    newline=st.sampled_from(["\n", "\r\n"]),
)
def test_what_pythons_writer_quotes_is_read_back(table: list[list[str]], newline: str) -> None:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator=newline, quoting=csv.QUOTE_ALL)
    writer.writerows([["x", "y", "z"], *table])

    assert [list(row.values()) for row in rows_of(written.getvalue())] == table


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a,a\n", "line 1 names the column 'a' twice"),
        ("a,,c\n", "line 1 has no name for column 2"),
        ("a, \n", "line 1 has no name for column 2"),
        ("a,b,c,d,e\n", "line 1 names 5 columns; 4 are allowed"),
        ("a,b\n1,2\n1,2,3\n", "line 3 has 3 cells, but there are 2 columns"),
        ('a,b\n1,x"y\n"\n', r"line 2 has a quote in the wrong place \(cell 2\)"),
        ('a,b\n"x"y,2\n', r"line 2 has a quote in the wrong place \(cell 1\)"),
        ('a,b\n1, "x,y"\n', r"line 2 has a quote in the wrong place \(cell 2\)"),
        ('a\n1\n"x\ny', "line 3 begins a record with a quote that is never closed"),
        ("a,b\n1\r2,3\n", r"line 2 has a lone carriage return \(cell 1\)"),
    ],
)
def test_what_is_not_csv_is_an_error_with_its_line(text: str, sentence: str) -> None:
    with pytest.raises(DatasetError, match=sentence):
        read(text)


def test_a_quote_that_is_never_closed_does_not_fill_the_memory() -> None:
    with pytest.raises(DatasetError, match=r"line 2 begins a record that is longer than 100 bytes"):
        read('a\n"' + "x\n" * 1_000, RowLimits(row_bytes=100))
