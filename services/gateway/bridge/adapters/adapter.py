"""How each kind of upstream is asked and read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.bridge.adapters.chat_request import chat_request
from gateway.bridge.adapters.chat_response import responses_object
from gateway.bridge.adapters.passthrough import embeddings_request, responses_request
from gateway.bridge.adapters.transcription import read_transcription
from gateway.bridge.call import Answer
from gateway.bridge.catalogue import Route
from gateway.bridge.models_file import Api
from gateway.bridge.response_reading import read_embeddings, read_response

# The answer in an upstream's JSON, given the caller's body and the time in seconds since 1970;
# raises CallFailed.
Read = Callable[[dict[str, Any], Mapping[str, object], int], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """One kind of upstream.

    Attributes:
        path: Where it is asked, below the provider's base URL.
        request: The upstream's body for a caller's body and a route; raises CallFailed.
        read: How its answer is read.
    """

    path: str
    request: Callable[[Mapping[str, object], Route], dict[str, object]]
    read: Read


def _read_chat(completion: dict[str, Any], asked: Mapping[str, object], now_s: int) -> Answer:
    return read_response(responses_object(completion, asked, now_s=now_s))


ADAPTERS: Mapping[Api, Adapter] = {
    "responses": Adapter(
        path="responses",
        request=responses_request,
        read=lambda answer, _asked, _now_s: read_response(answer),
    ),
    "chat_completions": Adapter(path="chat/completions", request=chat_request, read=_read_chat),
    "embeddings": Adapter(
        path="embeddings",
        request=embeddings_request,
        read=lambda answer, _asked, _now_s: read_embeddings(answer),
    ),
}


def read_speech(answer: dict[str, Any], _asked: Mapping[str, object], _now_s: int) -> Answer:
    """Read a transcription, which is asked for in the same way whatever else the upstream does."""
    return read_transcription(answer)
