import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.outbound.tokenizer import PIECE_CHARS, O200kCounter, Tokenizer, load, pieces

WORDS = (
    "The quick brown fox jumps over the lazy dog, doesn't it?\n\n  def f(x):\n    return x + 1\n"
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return load()


# Counts that the vocabulary's publisher gives for it.
@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("hello world", 2),
        ("tiktoken is great!", 6),
        ("<|endoftext|>", 7),
        ("お誕生日おめでとう", 8),
    ],
)
async def test_tokens_are_those_of_o200k_base(text: str, count: int) -> None:
    assert await O200kCounter().counts([text]) == [count]


async def test_a_long_text_has_as_many_tokens_in_pieces_as_in_one(tokenizer: Tokenizer) -> None:
    text = WORDS * (3 * PIECE_CHARS // len(WORDS))

    assert await O200kCounter().counts([text, "hello world"]) == [tokenizer.count(text), 2]


@given(
    st.lists(st.sampled_from(["word", " ", "  ", "\n", "1", "'s", ", ", "é", "\t "]), max_size=80)
)
def test_pieces_make_no_token_more_where_there_are_words(parts: list[str]) -> None:
    tokenizer = load()
    text = "".join(f"{part} x y" for part in parts)  # a place to cut in each half of a piece

    found = list(pieces(text, chars=24))

    assert "".join(found) == text
    assert max(map(len, found)) <= 24
    assert sum(map(tokenizer.count, found)) == tokenizer.count(text)


@pytest.mark.parametrize("text", ["a" * 100, " " * 100, "é" * 100, "\n" * 100])
def test_a_text_without_words_is_cut_all_the_same(text: str) -> None:
    found = list(pieces(text, chars=24))

    assert "".join(found) == text
    assert max(map(len, found)) <= 24


async def test_a_tokenizer_that_cannot_be_loaded_is_asked_for_once() -> None:
    tries: list[int] = []

    def missing() -> Tokenizer:
        tries.append(1)
        raise ImportError

    counter = O200kCounter(missing)

    assert await counter.counts(["text"]) is None
    assert await counter.counts(["text"]) is None
    assert tries == [1]


async def test_the_event_loop_turns_while_a_long_text_is_counted() -> None:
    counter = O200kCounter()
    await counter.counts([])
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        turning = tasks.create_task(turn())
        await counter.counts([WORDS * 20_000])
        turning.cancel()

    assert turns > 5
