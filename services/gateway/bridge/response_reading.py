"""What counts of a Responses object: its text, reasoning, tokens and status."""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.bridge.call import Answer, AnswerStatus, CallFailed
from gateway.domain.usage import TokenCounts

REASONING_BYTES = 65536
CUT_MARK = "\n[cut at 64 KiB]"
RESPONSE_ID_CHARS = 256
_ASSISTANT = ("assistant", None)
TOKENS_MAX = 2**53  # beyond it a number is no count but nonsense, and would not fit the wire

_STATUS = {
    None: AnswerStatus.COMPLETED,  # a plain server may leave it out
    "completed": AnswerStatus.COMPLETED,
    "incomplete": AnswerStatus.INCOMPLETE,
    "failed": AnswerStatus.FAILED,
    "cancelled": AnswerStatus.FAILED,
}


def read_response(response: Mapping[str, Any]) -> Answer:
    """Return what a Responses object says; its body is the object with `output_text` filled in.

    Raises:
        CallFailed: `model_error`, it is not such an object or is not finished.
    """
    status = _status(response)
    answered = isinstance(response.get("output"), list) or isinstance(
        response.get("output_text"), str
    )
    if not answered and status is not AnswerStatus.FAILED:
        raise CallFailed("model_error", f"the upstream sent no response{error_in(response)}")
    text = _text(response)
    return Answer(
        status=status,
        output_text=text,
        reasoning=cut_utf8(_reasoning(response)),
        response_id=response_id(response),
        tokens=read_usage(response.get("usage")),
        body={**response, "output_text": text},
        error_message=f"the upstream could not answer{error_in(response)}",
    )


def read_embeddings(answer: Mapping[str, Any]) -> Answer:
    """Return what an embeddings answer says.

    Raises:
        CallFailed: `model_error`, there is no list of embeddings in it.
    """
    if not isinstance(answer.get("data"), list):
        raise CallFailed("model_error", f"the upstream sent no embeddings{error_in(answer)}")
    usage = answer.get("usage")
    tokens = TokenCounts(input_tokens=_count(usage, "prompt_tokens"))
    return Answer(status=None, tokens=tokens, body=answer)


def read_usage(usage: object) -> TokenCounts:
    """Return the counts in a Responses object's `usage`; what is no count was not reported."""
    if not isinstance(usage, dict):
        return TokenCounts()
    return TokenCounts(
        input_tokens=_count(usage, "input_tokens"),
        output_tokens=_count(usage, "output_tokens"),
        cached_tokens=_count(usage.get("input_tokens_details"), "cached_tokens"),
        reasoning_tokens=_count(usage.get("output_tokens_details"), "reasoning_tokens"),
    )


def response_id(response: Mapping[str, Any]) -> str:
    """Return the id of an upstream's answer, cut at 256 characters; empty when it has none."""
    identity = response.get("id")
    return identity[:RESPONSE_ID_CHARS] if isinstance(identity, str) else ""


def cut_utf8(text: str, *, limit_bytes: int = REASONING_BYTES) -> str:
    """Return `text` in at most `limit_bytes` of UTF-8, with a mark at the end when it was cut."""
    if len(text) * 4 <= limit_bytes:
        return text
    encoded = text.encode()
    if len(encoded) <= limit_bytes:
        return text
    kept = encoded[: limit_bytes - len(CUT_MARK.encode())]
    return kept.decode(errors="ignore") + CUT_MARK


def error_in(answer: Mapping[str, Any]) -> str:
    """Return `: ` and the sentence of the answer's `error`, or nothing when it has none."""
    match answer.get("error"):
        case {"message": str(message)} | str(message):
            return f": {message[:500]}"
    return ""


def _status(response: Mapping[str, Any]) -> AnswerStatus:
    status = response.get("status")
    known = _STATUS.get(status) if status is None or isinstance(status, str) else None
    if known is None:
        raise CallFailed("model_error", f"the upstream left the response {str(status)[:64]!r}")
    return known


def _text(response: Mapping[str, Any]) -> str:
    given = response.get("output_text")
    messages = [item for item in _items(response, "message") if item.get("role") in _ASSISTANT]
    final = [message for message in messages if message.get("phase") == "final_answer"]
    parts = [part for message in final or messages for part in _parts(message, "content")]
    text = given if isinstance(given, str) else "".join(_texts(parts, "output_text", "text"))
    return text or "".join(_texts(parts, "refusal", "refusal"))


def _reasoning(response: Mapping[str, Any]) -> str:
    texts: list[str] = []
    for item in _items(response, "reasoning"):
        whole = _texts(_parts(item, "content"), "reasoning_text", "text")
        texts += whole or _texts(_parts(item, "summary"), "summary_text", "text")
    return "\n".join(text for text in texts if text)


def _items(response: Mapping[str, Any], kind: str) -> Iterator[dict[str, Any]]:
    output = response.get("output")
    for item in output if isinstance(output, list) else ():
        if isinstance(item, dict) and item.get("type") == kind:
            yield item


def _parts(item: dict[str, Any], name: str) -> list[dict[str, Any]]:
    parts = item.get(name)
    if not isinstance(parts, list):
        return []
    return [part for part in parts if isinstance(part, dict)]


def _texts(parts: list[dict[str, Any]], kind: str, name: str) -> list[str]:
    texts = (part.get(name) for part in parts if part.get("type") == kind)
    return [text for text in texts if isinstance(text, str)]


def _count(usage: object, name: str) -> int | None:
    value = usage.get(name) if isinstance(usage, dict) else None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= TOKENS_MAX:
        return value
    return None
