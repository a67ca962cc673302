from collections.abc import Sequence

import pytest

from orchestrator.domain.tokens import NO_TOKENS, Tokens
from orchestrator.usecases.token_counting.estimate_reply import with_estimate
from unit.orchestrator.usecases.token_counting.characters import Characters


class NoTokenizer:
    async def counts(self, _texts: Sequence[str]) -> Sequence[int] | None:
        return None


async def test_an_answer_without_usage_is_counted() -> None:
    tokens = await with_estimate(
        Characters(), NO_TOKENS, prompt="ask", output_text="text", reasoning="hm"
    )

    assert tokens == Tokens(input=3, output=6, reasoning=2, estimated=True)


@pytest.mark.parametrize("reported", [Tokens(input=0), Tokens(output=1), Tokens(cached=2)])
async def test_what_was_reported_stays(reported: Tokens) -> None:
    counter = Characters()

    tokens = await with_estimate(counter, reported, prompt="p", output_text="t", reasoning=None)

    assert tokens == reported


@pytest.mark.parametrize("text", [None, ""])
async def test_an_answer_without_text_has_no_figures(text: str | None) -> None:
    tokens = await with_estimate(
        Characters(), NO_TOKENS, prompt="ask", output_text=text, reasoning=text
    )

    assert tokens == NO_TOKENS


async def test_without_a_tokenizer_there_are_no_figures() -> None:
    tokens = await with_estimate(
        NoTokenizer(), NO_TOKENS, prompt="ask", output_text="text", reasoning=None
    )

    assert tokens == NO_TOKENS
