"""Figures for an answer that came without any."""

from orchestrator.domain.token_estimates import estimated
from orchestrator.domain.tokens import Tokens
from orchestrator.ports.token_measures import TokenCounter


async def with_estimate(
    counter: TokenCounter,
    reported: Tokens,
    *,
    prompt: str,
    output_text: str | None,
    reasoning: str | None,
) -> Tokens:
    """Return what was reported; if it is nothing and there is a text, what its texts have.

    Without a tokenizer nothing stays nothing.
    """
    if reported.is_reported or not (output_text or reasoning):
        return reported
    counts = await counter.counts((prompt, output_text or "", reasoning or ""))
    if counts is None:
        return reported
    of_prompt, of_output, of_reasoning = counts
    return estimated(prompt=of_prompt, output_text=of_output, reasoning=of_reasoning)
