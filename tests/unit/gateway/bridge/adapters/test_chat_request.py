from typing import Any, Literal

import pytest

from gateway.bridge.adapters.chat_request import chat_request
from gateway.bridge.call import CallFailed
from gateway.bridge.catalogue import CHAT_FORWARD, Provider, Route
from gateway.bridge.provider_keys import Scrubber
from servicekit.turns import Turns

SCHEMA = {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}


def route(
    *,
    forward: frozenset[str] = CHAT_FORWARD,
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens",
    defaults: dict[str, object] | None = None,
    extra_body: dict[str, object] | None = None,
) -> Route:
    provider = Provider(
        name="p", base_url="http://p", key=None, slots=Turns(1), scrubber=Scrubber(None)
    )
    return Route(
        model="m",
        upstream_model="M-1",
        provider=provider,
        api="chat_completions",
        forward=forward,
        merge_extra_body=True,
        max_tokens_field=max_tokens_field,
        defaults=defaults or {},
        extra_body=extra_body or {},
    )


def sent(body: dict[str, Any], to: Route | None = None) -> dict[str, object]:
    return chat_request({"model": "m", "input": "hi", **body}, to or route())


def test_a_candidates_request_becomes_a_chat_request() -> None:
    body = {
        "instructions": "Be brief.",
        "stream": False,
        "background": False,
        "store": True,
        "metadata": {"eval_run_id": "run_1"},
        "temperature": 0,
        "max_output_tokens": 512,
        "stop": ["\n"],
    }

    assert sent(body) == {
        "model": "M-1",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "hi"},
        ],
        "temperature": 0,
        "max_tokens": 512,
        "stop": ["\n"],
        "stream": False,
    }


def test_newer_models_take_their_limit_under_another_name() -> None:
    to = route(max_tokens_field="max_completion_tokens")

    assert sent({"max_output_tokens": 9}, to)["max_completion_tokens"] == 9


def test_a_null_is_left_out() -> None:
    assert "temperature" not in sent({"temperature": None, "text": None, "tools": None})


def test_unknown_fields_are_sent_only_where_the_operator_says_so() -> None:
    assert "top_k" not in sent({"top_k": 3})
    assert sent({"top_k": 3}, route(forward=CHAT_FORWARD | {"top_k"}))["top_k"] == 3


@pytest.mark.parametrize(
    ("text", "format_"),
    [
        ({"format": {"type": "json_object"}}, {"type": "json_object"}),
        (
            {"format": SCHEMA},
            {
                "type": "json_schema",
                "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True},
            },
        ),
    ],
)
def test_a_text_format_becomes_a_response_format(text: object, format_: object) -> None:
    assert sent({"text": text})["response_format"] == format_


@pytest.mark.parametrize("text", [{}, {"format": {"type": "text"}}])
def test_plain_text_asks_for_no_format(text: object) -> None:
    assert "response_format" not in sent({"text": text})


def test_verbosity_and_effort_find_their_places() -> None:
    body = sent({"text": {"verbosity": "low"}, "reasoning": {"effort": "high", "summary": "auto"}})

    assert (body["verbosity"], body["reasoning_effort"]) == ("low", "high")


def test_function_tools_are_nested() -> None:
    tool = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}
    body = sent({"tools": [tool], "tool_choice": {"type": "function", "name": "f"}})

    assert body["tools"] == [
        {
            "type": "function",
            "function": {"name": "f", "parameters": {"type": "object"}, "strict": True},
        }
    ]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "f"}}


def test_tools_that_are_nested_already_stay() -> None:
    tool = {"type": "function", "function": {"name": "f"}}

    body = sent({"tools": [tool], "tool_choice": "auto"})

    assert body["tools"] == [tool]
    assert body["tool_choice"] == "auto"


def test_no_tools_are_not_asked_for() -> None:
    assert "tools" not in sent({"tools": []})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"tools": [{"type": "web_search"}]}, "a tool of type 'web_search'"),
        ({"tools": ["f"]}, "a tool of type 'str'"),
        ({"tools": {}}, "tools must be a list"),
        ({"tool_choice": {"type": "web_search"}}, "tool_choice"),
        ({"text": "json"}, "text must be an object"),
        ({"text": {"format": {"type": "xml"}}}, "text.format"),
        ({"reasoning": "high"}, "reasoning must be an object"),
        ({"extra_body": "x"}, "extra_body must be an object"),
    ],
)
def test_what_chat_cannot_express_is_named(body: dict[str, Any], said: str) -> None:
    with pytest.raises(CallFailed, match=said) as failure:
        sent(body)

    assert failure.value.code == "invalid_request"


def test_two_configurations_of_one_model_differ_by_their_defaults() -> None:
    to = route(defaults={"temperature": 0.9, "instructions": "Be a pirate."})

    body = sent({}, to)

    assert body["temperature"] == 0.9
    assert body["messages"] == [
        {"role": "system", "content": "Be a pirate."},
        {"role": "user", "content": "hi"},
    ]
    assert sent({"temperature": 0}, to)["temperature"] == 0


def test_extra_bodies_are_merged_and_cannot_change_what_the_bridge_decides() -> None:
    extra = {"model": "expensive", "stream": True, "min_p": 0.1}

    body = sent({"extra_body": extra}, route(extra_body={"cache_prompt": True}))

    assert (body["model"], body["stream"]) == ("M-1", False)
    assert (body["min_p"], body["cache_prompt"]) == (0.1, True)
