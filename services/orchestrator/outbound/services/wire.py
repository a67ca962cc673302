"""Small pieces of the wire that several clients translate."""

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from orchestrator.domain.tokens import Tokens
from proctor.common.v1.usage_pb2 import TokenUsage


def usage_from(tokens: Tokens) -> TokenUsage:
    """Make the message of token counts; what nobody reported stays absent."""
    return TokenUsage(
        input_tokens=tokens.input,
        output_tokens=tokens.output,
        cached_tokens=tokens.cached,
        reasoning_tokens=tokens.reasoning,
        estimated=tokens.estimated,
    )


def tokens_from(usage: TokenUsage) -> Tokens:
    """Read token counts; what is absent is None."""
    return Tokens(
        input=usage.input_tokens if usage.HasField("input_tokens") else None,
        output=usage.output_tokens if usage.HasField("output_tokens") else None,
        cached=usage.cached_tokens if usage.HasField("cached_tokens") else None,
        reasoning=usage.reasoning_tokens if usage.HasField("reasoning_tokens") else None,
        estimated=usage.estimated,
    )


def moment_from(stamp: Timestamp) -> datetime:
    """Read a point in time, aware, in UTC."""
    return stamp.ToDatetime(tzinfo=UTC)
