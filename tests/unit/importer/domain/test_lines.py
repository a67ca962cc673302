import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.domain.dataset import DatasetError
from importer.domain.lines import LineCutter


def cut(*chunks: bytes, line_bytes_max: int = 100) -> list[tuple[int, str]]:
    cutter = LineCutter(line_bytes_max=line_bytes_max)
    lines = [line for chunk in chunks for line in cutter.feed(chunk)]
    return [(line.number, line.text) for line in [*lines, *cutter.end()]]


def test_lines_end_at_line_feeds_and_the_last_needs_none() -> None:
    assert cut(b"a\nb\r\n\nc") == [(1, "a"), (2, "b\r"), (3, ""), (4, "c")]


def test_a_final_line_feed_starts_no_line() -> None:
    assert cut(b"a\n") == [(1, "a")]
    assert cut(b"") == []


@given(text=st.text(alphabet="aé€😀\n\r"), size=st.integers(1, 7))
def test_it_does_not_matter_where_chunks_end(text: str, size: int) -> None:
    raw = text.encode()
    chunks = [raw[start : start + size] for start in range(0, len(raw), size)]

    assert cut(*chunks) == cut(raw)


def test_a_byte_order_mark_is_dropped_at_the_beginning_only() -> None:
    assert cut(b"\xef\xbb", b"\xbfa\n\xef\xbb\xbfb") == [(1, "a"), (2, "\ufeffb")]


def test_bytes_that_are_not_utf8_are_an_error_with_the_line() -> None:
    with pytest.raises(DatasetError, match=r"line 2 is not UTF-8 text: its byte 3 is wrong"):
        cut(b"ok\nab\xff\n")


def test_a_line_that_never_ends_is_refused_before_it_is_read_whole() -> None:
    cutter = LineCutter(line_bytes_max=10)
    list(cutter.feed(b"ok\n12345678"))

    with pytest.raises(DatasetError, match=r"line 2 is longer than 10 bytes"):
        list(cutter.feed(b"901"))


def test_a_whole_line_may_be_exactly_as_long_as_allowed() -> None:
    assert cut(b"0123456789\n", line_bytes_max=10) == [(1, "0123456789")]

    with pytest.raises(DatasetError):
        cut(b"01234567890\n", line_bytes_max=10)
