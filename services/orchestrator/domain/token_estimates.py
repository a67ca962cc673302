"""Tokens counted from text, for samples whose provider reported none."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.domain.metrics import JsonObject, tokens_object
from orchestrator.domain.tokens import Tokens, sum_tokens
from servicekit.errors import Kind, ServiceError


class TokenizerMissing(ServiceError):
    """Tokens were to be counted, but this installation has no tokenizer; nothing was changed."""

    kind = Kind.INVALID_ARGUMENT
    reason = "FEATURE_UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__("tokens cannot be counted here: the tokenizer o200k_base is missing")


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleText:
    """What a sample's tokens are counted from; a text that is not there is empty.

    Attributes:
        place: Of its task, its model and its row in the run.
    """

    sample_key: str
    place: tuple[int, int, int]
    prompt: str
    output_text: str
    reasoning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTokens:
    """Sums over the samples of one task and model."""

    task_id: str
    model: str
    tokens: Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What one call measured, and how many runs have samples left to measure."""

    runs: int
    samples: int
    remaining_runs: int


def estimated(*, prompt: int, output_text: int, reasoning: int) -> Tokens:
    """Return the tokens of a sample whose texts have so many; a text without any has no figure.

    The output contains the reasoning, as it does where a provider reports it.
    """
    return Tokens(
        input=prompt or None,
        output=output_text + reasoning,
        reasoning=reasoning or None,
        estimated=True,
    )


def with_tokens(metrics: Mapping[str, Any], groups: Sequence[GroupTokens]) -> JsonObject:
    """Return a run's `metrics` object with other token sums; everything else stays as it is."""
    of_group = {(group.task_id, group.model): [group.tokens] for group in groups}
    of_model: dict[str, list[Tokens]] = defaultdict(list)
    for group in groups:
        of_model[group.model].append(group.tokens)
    by_task = {
        task_id: {
            model: _told(block, of_group.get((task_id, model), ()))
            for model, block in blocks.items()
        }
        for task_id, blocks in metrics.get("by_task", {}).items()
    }
    by_model = {
        model: _told(block, of_model[model]) for model, block in metrics.get("by_model", {}).items()
    }
    return {**metrics, "by_model": by_model, "by_task": by_task}


def _told(block: Mapping[str, Any], parts: Iterable[Tokens]) -> JsonObject:
    tokens = sum_tokens(parts)
    return {**block, "tokens": tokens_object(tokens) | {"estimated": tokens.estimated}}
