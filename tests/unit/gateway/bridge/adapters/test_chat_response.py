from typing import Any

import pytest

from gateway.bridge.adapters.chat_response import responses_object
from gateway.bridge.call import AnswerStatus, CallFailed
from gateway.bridge.response_reading import read_response
from gateway.domain.usage import TokenCounts

# The fields that contract E.7.1 says a response has; output_text is filled in when it is read.
FIELDS = {
    "id", "object", "created_at", "completed_at", "status", "error", "incomplete_details", "model",
    "output", "usage", "metadata", "tools", "tool_choice", "text", "truncation",
    "parallel_tool_calls", "store", "background", "instructions", "max_output_tokens",
    "max_tool_calls", "previous_response_id", "user",
}  # fmt: skip


def completion(message: dict[str, Any], **fields: object) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "created": 1_700_000_000,
        "model": "M-1",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        **fields,
    }


def read(message: dict[str, Any], **asked: object) -> dict[str, Any]:
    return responses_object(completion(message), {"model": "m", **asked}, now_s=1_700_000_005)


def test_an_answer_becomes_a_full_responses_object() -> None:
    response = read({"role": "assistant", "content": "4"}, temperature=0, instructions="Be brief.")

    assert set(response) >= FIELDS
    assert response["object"] == "response"
    assert response["status"] == "completed"
    assert (response["created_at"], response["completed_at"]) == (1_700_000_000, 1_700_000_005)
    assert (response["temperature"], response["instructions"]) == (0, "Be brief.")
    assert response["output"] == [
        {
            "type": "message",
            "id": "msg_chatcmpl-1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "4", "annotations": []}],
        }
    ]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_becomes_an_item_of_its_own(name: str) -> None:
    answer = read_response(read({"content": "4", name: "2+2"}))

    assert (answer.output_text, answer.reasoning) == ("4", "2+2")


@pytest.mark.parametrize(
    ("finish", "reason"),
    [("length", "max_output_tokens"), ("content_filter", "content_filter")],
)
def test_a_text_that_was_cut_off_is_incomplete(finish: str, reason: str) -> None:
    cut = completion({"content": "4"})
    cut["choices"][0]["finish_reason"] = finish

    response = responses_object(cut, {"model": "m"}, now_s=0)

    assert response["incomplete_details"] == {"reason": reason}
    assert read_response(response).status is AnswerStatus.INCOMPLETE


def test_a_refusal_is_kept_as_one() -> None:
    answer = read_response(read({"content": None, "refusal": "I will not."}))

    assert answer.output_text == "I will not."


def test_content_in_parts_is_joined() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}, "c", {"type": "x"}]

    assert read_response(read({"content": parts})).output_text == "ab"


def test_tool_calls_become_function_calls() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}

    assert read({"content": None, "tool_calls": [call]})["output"] == [
        {
            "type": "function_call",
            "id": "c1",
            "call_id": "c1",
            "name": "f",
            "arguments": "{}",
            "status": "completed",
        }
    ]


def test_an_empty_answer_has_no_output() -> None:
    answer = read_response(read({"content": ""}))

    assert answer.output_text == ""
    assert answer.status is AnswerStatus.COMPLETED


def test_usage_is_mapped_with_its_details() -> None:
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 7,
        "total_tokens": 17,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }

    response = responses_object(completion({"content": "4"}, usage=usage), {}, now_s=0)

    assert read_response(response).tokens == TokenCounts(
        input_tokens=10, output_tokens=7, cached_tokens=4, reasoning_tokens=5
    )


@pytest.mark.parametrize("usage", [None, "x", {"prompt_tokens_details": 3}])
def test_odd_usage_is_no_usage(usage: object) -> None:
    response = responses_object(completion({"content": "4"}, usage=usage), {}, now_s=0)

    assert read_response(response).tokens == TokenCounts()


@pytest.mark.parametrize(
    "answer",
    [{}, {"choices": []}, {"choices": [{}]}, {"choices": "x"}, {"choices": [{"message": "x"}]}],
)
def test_an_answer_without_a_message_is_a_model_error(answer: dict[str, Any]) -> None:
    with pytest.raises(CallFailed) as failure:
        responses_object(answer, {}, now_s=0)

    assert failure.value.code == "model_error"


@pytest.mark.parametrize(
    "message",
    [{"content": 7}, {"tool_calls": "x"}, {"tool_calls": [{"function": 3}, 4]}, {"refusal": []}],
)
def test_odd_messages_do_not_break_the_reader(message: dict[str, Any]) -> None:
    assert read_response(read(message)).output_text == ""
