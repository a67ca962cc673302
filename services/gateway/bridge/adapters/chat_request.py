"""A Responses request as a Chat Completions request."""

from collections.abc import Mapping
from typing import Any

from gateway.bridge.adapters.chat_input import chat_messages
from gateway.bridge.adapters.passthrough import merged_extra_body
from gateway.bridge.call import invalid_request
from gateway.bridge.catalogue import Route

# Fields with a place of their own in the other shape, or none at all.
_TRANSLATED = frozenset(
    {
        "model", "input", "instructions", "max_output_tokens", "stream", "background", "store",
        "text", "reasoning", "tools", "tool_choice", "extra_body",
    }
)  # fmt: skip


def chat_request(body: Mapping[str, object], route: Route) -> dict[str, object]:
    """Return the body of POST /chat/completions that asks what `body` asks of POST /responses.

    Raises:
        CallFailed: `invalid_request`, naming what Chat Completions cannot express.
    """
    merged = {**route.defaults, **body}
    sent = {
        name: value
        for name, value in merged.items()
        if name not in _TRANSLATED and value is not None and route.forwards(name)
    }
    sent["messages"] = chat_messages(merged.get("instructions"), merged.get("input"))
    if merged.get("max_output_tokens") is not None:
        sent[route.max_tokens_field] = merged["max_output_tokens"]
    for name, translate in _TRANSLATORS.items():
        value = merged.get(name)
        if value is not None and route.forwards(name):
            sent.update(translate(value))
    sent.update(merged_extra_body(merged, route))
    return {**sent, **route.extra_body, "model": route.upstream_model, "stream": False}


def _text(text: Any) -> dict[str, object]:
    if not isinstance(text, dict):
        raise invalid_request("text must be an object")
    sent: dict[str, object] = {}
    if text.get("verbosity") is not None:
        sent["verbosity"] = text["verbosity"]
    match text.get("format"):
        case None | {"type": "text"}:
            pass
        case {"type": "json_object"}:
            sent["response_format"] = {"type": "json_object"}
        case {"type": "json_schema", **schema}:
            sent["response_format"] = {"type": "json_schema", "json_schema": schema}
        case _:
            raise invalid_request("text.format has an unknown type")
    return sent


def _reasoning(reasoning: Any) -> dict[str, object]:
    if not isinstance(reasoning, dict):
        raise invalid_request("reasoning must be an object")
    effort = reasoning.get("effort")
    return {} if effort is None else {"reasoning_effort": effort}


def _tools(tools: Any) -> dict[str, object]:
    if not isinstance(tools, list):
        raise invalid_request("tools must be a list")
    return {"tools": [_tool(tool) for tool in tools]} if tools else {}


def _tool(tool: Any) -> dict[str, object]:
    match tool:
        case {"type": "function", "name": str(), **function}:
            return {"type": "function", "function": {"name": tool["name"], **function}}
        case {"type": "function", "function": dict()}:
            return dict(tool)
    kind = tool.get("type") if isinstance(tool, dict) else type(tool).__name__
    raise invalid_request(f"a tool of type {kind!r} cannot be asked for over chat completions")


def _tool_choice(choice: Any) -> dict[str, object]:
    match choice:
        case str():
            return {"tool_choice": choice}
        case {"type": "function", "name": str(name)}:
            return {"tool_choice": {"type": "function", "function": {"name": name}}}
        case {"type": "function", "function": dict()}:
            return {"tool_choice": choice}
    raise invalid_request("tool_choice cannot be expressed over chat completions")


_TRANSLATORS = {
    "text": _text,
    "reasoning": _reasoning,
    "tools": _tools,
    "tool_choice": _tool_choice,
}
