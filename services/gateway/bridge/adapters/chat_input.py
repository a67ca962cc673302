"""The `instructions` and `input` of a Responses request as chat messages."""

from typing import Any

from gateway.bridge.call import invalid_request

_ROLES = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
_TEXT_PARTS = ("input_text", "output_text", "text")


def chat_messages(instructions: object, given: object) -> list[dict[str, object]]:
    """Return the messages for `given`, a string or a list of input items, after `instructions`.

    Reasoning items are left out: Chat Completions takes none back.

    Raises:
        CallFailed: `invalid_request`, naming the item or part that has no counterpart.
    """
    messages: list[dict[str, object]] = []
    if instructions is not None:
        if not isinstance(instructions, str):
            raise invalid_request("instructions must be a string")
        messages.append({"role": "system", "content": instructions})
    if isinstance(given, str):
        messages.append({"role": "user", "content": given})
    elif isinstance(given, list) and given:
        for index, item in enumerate(given):
            _append(messages, item, f"input[{index}]")
    else:
        raise invalid_request("input must be a string or a list of at least one item")
    return messages


def _append(messages: list[dict[str, object]], item: Any, where: str) -> None:
    if not isinstance(item, dict):
        raise invalid_request(f"{where} must be an object")
    match item.get("type", "message"):
        case "message":
            messages.append(_message(item, where))
        case "function_call":
            _append_tool_call(messages, item)
        case "function_call_output":
            messages.append(
                {
                    "role": "tool",
                    "tool_call_id": item.get("call_id"),
                    "content": _content(item.get("output"), f"{where}.output"),
                }
            )
        case "reasoning":
            pass
        case kind:
            raise invalid_request(
                f"{where} of type {kind!r} has no counterpart in chat completions"
            )


def _message(item: dict[str, Any], where: str) -> dict[str, object]:
    role = _ROLES.get(str(item.get("role")))
    if role is None:
        raise invalid_request(f"{where}.role must be one of {', '.join(_ROLES)}")
    return {"role": role, "content": _content(item.get("content"), f"{where}.content")}


def _append_tool_call(messages: list[dict[str, object]], item: dict[str, Any]) -> None:
    call = {
        "id": item.get("call_id"),
        "type": "function",
        "function": {"name": item.get("name"), "arguments": item.get("arguments", "{}")},
    }
    last = messages[-1] if messages else {}
    if last.get("role") == "assistant":
        # Text and parallel calls of one turn are one chat message.
        earlier = last.get("tool_calls")
        last["tool_calls"] = [*(earlier if isinstance(earlier, list) else []), call]
    else:
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})


def _content(content: Any, where: str) -> str | list[dict[str, object]]:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise invalid_request(f"{where} must be a string or a list of parts")
    parts = [_part(part, f"{where}[{index}]") for index, part in enumerate(content)]
    if all(part["type"] == "text" for part in parts):
        # Many servers' chat templates take only strings.
        return "".join(str(part["text"]) for part in parts)
    return parts


def _part(part: Any, where: str) -> dict[str, object]:
    match part:
        case {"type": kind, "text": str(text)} if kind in _TEXT_PARTS:
            return {"type": "text", "text": text}
        case {"type": "refusal", "refusal": str(text)}:
            return {"type": "text", "text": text}
        case {"type": "input_image", "image_url": str(url), **rest}:
            detail = rest.get("detail")
            image = {"url": url} if detail is None else {"url": url, "detail": detail}
            return {"type": "image_url", "image_url": image}
        case {"type": "input_audio", "input_audio": dict()}:
            return dict(part)
        case {"type": "input_file", **file}:
            return {"type": "file", "file": file}
        case {"type": kind}:
            raise invalid_request(
                f"{where} of type {kind!r} has no counterpart in chat completions"
            )
    raise invalid_request(f"{where} must be an object with a type")
