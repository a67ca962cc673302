"""A Chat Completions answer as a Responses object."""

from collections.abc import Mapping
from typing import Any

from gateway.bridge.call import CallFailed
from gateway.bridge.response_reading import error_in

_CUT_OFF = {"length": "max_output_tokens", "content_filter": "content_filter"}


def responses_object(
    completion: Mapping[str, Any], asked: Mapping[str, object], *, now_s: int
) -> dict[str, object]:
    """Return `completion` in the shape that POST /responses answers with.

    Args:
        completion: The upstream's answer.
        asked: The Responses request that it answers; its settings are repeated in the object.
        now_s: Seconds since 1970, when the answer was complete.

    Raises:
        CallFailed: `model_error`, there is no message in it.
    """
    choice, message = _first_message(completion)
    reason = _CUT_OFF.get(str(choice.get("finish_reason")))
    status = "incomplete" if reason else "completed"
    identity = str(completion.get("id") or "")
    return _settings(asked) | {
        "id": identity,
        "object": "response",
        "created_at": completion.get("created") or now_s,
        "completed_at": now_s,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "model": completion.get("model") or asked.get("model"),
        "output": _output(message, identity, status),
        "usage": _usage(completion.get("usage")),
    }


def _first_message(completion: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    match completion.get("choices"):
        case [{"message": dict(message)} as choice, *_]:
            return choice, message
    raise CallFailed("model_error", f"the upstream sent no message{error_in(completion)}")


def _output(message: dict[str, Any], identity: str, status: str) -> list[dict[str, object]]:
    output: list[dict[str, object]] = []
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(reasoning, str) and reasoning:
        output.append(
            {
                "type": "reasoning",
                "id": f"rs_{identity}",
                "summary": [],
                "content": [{"type": "reasoning_text", "text": reasoning}],
            }
        )
    content = _content(message)
    if content:
        output.append(
            {
                "type": "message",
                "id": f"msg_{identity}",
                "role": "assistant",
                "status": status,
                "content": content,
            }
        )
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        output.extend(_function_call(call) for call in calls if isinstance(call, dict))
    return output


def _content(message: dict[str, Any]) -> list[dict[str, object]]:
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(
            part["text"]
            for part in content
            if isinstance(part, dict) and isinstance(part.get("text"), str)
        )
    parts: list[dict[str, object]] = []
    if isinstance(content, str) and content:
        parts.append({"type": "output_text", "text": content, "annotations": []})
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal:
        parts.append({"type": "refusal", "refusal": refusal})
    return parts


def _function_call(call: dict[str, Any]) -> dict[str, object]:
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    return {
        "type": "function_call",
        "id": call.get("id"),
        "call_id": call.get("id"),
        "name": function.get("name"),
        "arguments": function.get("arguments"),
        "status": "completed",
    }


def _usage(usage: Any) -> dict[str, object] | None:
    if not isinstance(usage, dict):
        return None
    prompt = usage.get("prompt_tokens_details")
    completion = usage.get("completion_tokens_details")
    return {
        "input_tokens": usage.get("prompt_tokens"),
        "input_tokens_details": {
            "cached_tokens": prompt.get("cached_tokens") if isinstance(prompt, dict) else None
        },
        "output_tokens": usage.get("completion_tokens"),
        "output_tokens_details": {
            "reasoning_tokens": completion.get("reasoning_tokens")
            if isinstance(completion, dict)
            else None
        },
        "total_tokens": usage.get("total_tokens"),
    }


# The settings that a Responses object repeats, each with what stands for one that was not given.
_REPEATED: Mapping[str, object] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": None,
    "service_tier": None,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}


def _settings(asked: Mapping[str, object]) -> dict[str, object]:
    repeated = {name: asked.get(name, default) for name, default in _REPEATED.items()}
    # Nothing is kept by an upstream that has no store.
    return repeated | {"store": False, "background": False}
