import asyncio
import fcntl
import os
from collections.abc import Callable

from grader.jail.pipes import Tap


def tapped(keep_bytes: int, on_more: Callable[[int], None] | None = None) -> tuple[Tap, int]:
    reading, writing = os.pipe()
    return Tap(reading, keep_bytes=keep_bytes, on_more=on_more), writing


async def test_only_the_head_is_kept_and_all_is_counted() -> None:
    sizes: list[int] = []
    tap, writing = tapped(4, sizes.append)

    os.write(writing, b"123456789")
    os.close(writing)

    assert tap.text() == "1234"
    assert sum(sizes) == 9
    tap.close()


async def test_a_flood_never_blocks_its_writer() -> None:
    tap, writing = tapped(10)

    written = await asyncio.to_thread(
        lambda: sum(os.write(writing, b"x" * 9_999) for _ in range(99))
    )

    assert written == 9_999 * 99
    os.close(writing)
    assert tap.text() == "x" * 10
    tap.close()


async def test_a_writer_that_goes_on_cannot_keep_its_reader() -> None:
    def goes_on(_: int) -> None:
        os.write(writing, b"x")
        turns.append(1)
        assert len(turns) < 1_000, "the reader does not end"

    turns: list[int] = []
    tap, writing = tapped(10, goes_on)
    os.write(writing, b"x")

    tap.drain()

    assert turns
    tap.close()
    os.close(writing)


async def test_all_that_the_largest_pipe_holds_is_read_at_once() -> None:
    sizes: list[int] = []
    tap, writing = tapped(10, sizes.append)
    size = fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 1 << 20)
    os.write(writing, b"x" * size)

    tap.drain()

    assert sum(sizes) == size == 1 << 20
    tap.close()
    os.close(writing)


async def test_half_a_character_at_the_cut_is_dropped() -> None:
    tap, writing = tapped(3)

    os.write(writing, "éé".encode())
    os.close(writing)

    assert tap.text() == "é"
    tap.close()


async def test_bytes_that_are_no_text_are_replaced() -> None:
    tap, writing = tapped(100)

    os.write(writing, b"a\xffb")
    os.close(writing)

    assert tap.text() == "a\N{REPLACEMENT CHARACTER}b"
    tap.close()
    tap.close()
