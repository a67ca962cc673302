"""Small pieces of the wire that both services translate."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from orchestrator.domain.listing import Page, page
from orchestrator.domain.tokens import Tokens
from proctor.common.v1.page_pb2 import PageRequest
from proctor.common.v1.usage_pb2 import TokenUsage


def stamp_from(moment: datetime | None) -> Timestamp | None:
    """Make the message of a point in time; None stays absent."""
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def usage_from(tokens: Tokens) -> TokenUsage:
    """Make the message of token counts; what nobody reported stays absent."""
    return TokenUsage(
        input_tokens=tokens.input,
        output_tokens=tokens.output,
        cached_tokens=tokens.cached,
        reasoning_tokens=tokens.reasoning,
        estimated=tokens.estimated,
    )


def page_from(request: PageRequest, *, default: int, largest: int) -> Page:
    """Read which page is wanted."""
    return page(size=request.page_size, after=request.after_id, default=default, largest=largest)
