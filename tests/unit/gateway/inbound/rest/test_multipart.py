from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inbound.rest.multipart import (
    PARTS_MAX,
    FormInvalid,
    PartBegan,
    PartBytes,
    PartEnded,
    boundary_of,
    read_parts,
)

BOUNDARY = b"frontier"


def part(headers: bytes, content: bytes) -> bytes:
    return b"--" + BOUNDARY + b"\r\n" + headers + b"\r\n\r\n" + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--" + BOUNDARY + b"--\r\n"


def named(name: str, filename: str | None = None) -> bytes:
    header = f'Content-Disposition: form-data; name="{name}"'
    return (header + (f'; filename="{filename}"' if filename is not None else "")).encode()


async def pieces(whole: bytes, length: int) -> AsyncIterator[bytes]:
    for start in range(0, len(whole), length):
        yield whole[start : start + length]


async def read(whole: bytes, length: int = 7) -> list[tuple[str, str | None, bytes]]:
    """Name, file name and content of each part."""
    parts: list[tuple[str, str | None, bytes]] = []
    async for event in read_parts(pieces(whole, length), BOUNDARY):
        match event:
            case PartBegan(name, filename):
                begun, content = (name, filename), b""
            case PartBytes(some):
                content += some
            case PartEnded():
                parts.append((*begun, content))
    return parts


@given(
    content=st.binary(max_size=300)
    | st.lists(st.sampled_from([b"\r\n", b"--", BOUNDARY, b"-", b"\r", b"\n", b"x"])).map(b"".join),
    length=st.integers(1, 80),
)
async def test_contents_come_out_unchanged_however_the_body_is_cut(
    content: bytes, length: int
) -> None:
    if b"\r\n--" + BOUNDARY in b"\r\n" + content:
        return

    parts = await read(form(part(named("file", "a"), content)), length)

    assert parts == [("file", "a", content)]


async def test_parts_come_in_the_order_of_the_body() -> None:
    whole = form(part(named("b"), b"1"), part(named("a", "x.csv"), b"2"))

    assert await read(whole) == [("b", None, b"1"), ("a", "x.csv", b"2")]


async def test_names_are_read_as_utf_8() -> None:
    whole = form(part(named("file", "größe 数.jsonl"), b""))

    assert (await read(whole))[0][1] == "größe 数.jsonl"


async def test_text_around_the_form_is_ignored() -> None:
    whole = form(part(named("a"), b"1")) + b"epilogue"

    assert await read(whole) == [("a", None, b"1")]


@pytest.mark.parametrize("cut", range(3, 60, 7))
async def test_a_form_without_its_end_is_refused(cut: int) -> None:
    whole = form(part(named("file", "a"), b"some content that is longer than the rest"))

    with pytest.raises(FormInvalid):
        await read(whole[:-cut])


@pytest.mark.parametrize(
    "whole",
    [
        b"",
        b"not a form",
        form(part(b"X-Header: 1", b"no name")),
        form(part(b"Content-Disposition: attachment; name=a", b"")),
        form(part(b"Content-Disposition: form-data; filename=a", b"")),
        form(part(named("a") + b"\r\nContent-Transfer-Encoding: base64", b"")),
        form(part(b'Content-Disposition: form-data; name="\xff"', b"")),
        form(*(part(named("a"), b"") for _ in range(PARTS_MAX + 1))),
        form(part(b"X: " + b"y" * 100_000, b"")),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_what_is_no_form_is_refused(whole: bytes) -> None:
    with pytest.raises(FormInvalid):
        await read(whole, 1000)


@given(whole=st.binary(max_size=200), length=st.integers(1, 50))
async def test_no_bytes_do_anything_but_parse_or_be_refused(whole: bytes, length: int) -> None:
    with suppress(FormInvalid):
        await read(b"--" + BOUNDARY + b"\r\n" + whole, length)


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=x",
    ],
)
def test_only_a_form_with_a_boundary_is_taken(content_type: str) -> None:
    with pytest.raises(FormInvalid) as refused:
        boundary_of(content_type)

    assert refused.value.violations[0].reason == "CONTENT_TYPE"


def test_the_boundary_is_found_quoted_or_not() -> None:
    assert boundary_of('Multipart/Form-Data; boundary="a b"') == b"a b"
    assert boundary_of("multipart/form-data; charset=x; boundary=ab") == b"ab"
