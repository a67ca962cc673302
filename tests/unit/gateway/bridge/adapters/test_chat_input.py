from typing import Any

import pytest

from gateway.bridge.adapters.chat_input import chat_messages
from gateway.bridge.call import CallFailed


def test_a_string_is_one_user_message() -> None:
    assert chat_messages(None, "hi") == [{"role": "user", "content": "hi"}]


def test_instructions_come_first_as_the_system_message() -> None:
    assert chat_messages("Be brief.", "hi")[0] == {"role": "system", "content": "Be brief."}


def test_messages_keep_their_order_and_developer_becomes_system() -> None:
    given = [
        {"role": "developer", "content": "d"},
        {"type": "message", "role": "user", "content": "u"},
        {"role": "assistant", "content": [{"type": "output_text", "text": "a"}]},
    ]

    assert chat_messages(None, given) == [
        {"role": "system", "content": "d"},
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": "a"},
    ]


def test_parts_of_text_alone_become_a_string() -> None:
    given = [
        {
            "role": "user",
            "content": [{"type": "input_text", "text": "a"}, {"type": "text", "text": "b"}],
        }
    ]

    assert chat_messages(None, given) == [{"role": "user", "content": "ab"}]


def test_pictures_sound_and_files_become_chat_parts() -> None:
    content = [
        {"type": "input_text", "text": "see"},
        {"type": "input_image", "image_url": "data:,x", "detail": "low"},
        {"type": "input_image", "image_url": "https://x/y.png"},
        {"type": "input_audio", "input_audio": {"data": "eA==", "format": "wav"}},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:,x"},
        {"type": "refusal", "refusal": "no"},
    ]

    assert chat_messages(None, [{"role": "user", "content": content}])[0]["content"] == [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": "data:,x", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
        {"type": "input_audio", "input_audio": {"data": "eA==", "format": "wav"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:,x"}},
        {"type": "text", "text": "no"},
    ]


def test_tool_calls_of_one_turn_are_one_message_and_their_outputs_follow() -> None:
    def call(identity: str) -> dict[str, Any]:
        return {"type": "function_call", "call_id": identity, "name": "f", "arguments": "{}"}

    given = [
        {"role": "user", "content": "go"},
        call("1"),
        call("2"),
        {"type": "function_call_output", "call_id": "1", "output": "one"},
    ]

    messages = chat_messages(None, given)

    assert [message["role"] for message in messages] == ["user", "assistant", "tool"]
    calls = messages[1]["tool_calls"]
    assert isinstance(calls, list)
    assert [entry["id"] for entry in calls] == ["1", "2"]
    assert messages[2] == {"role": "tool", "tool_call_id": "1", "content": "one"}


def test_reasoning_is_left_out() -> None:
    given = [{"type": "reasoning", "summary": []}, {"role": "user", "content": "hi"}]

    assert chat_messages(None, given) == [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "input must be"),
        ([], "input must be"),
        (7, "input must be"),
        (["hi"], r"input\[0\] must be an object"),
        ([{"type": "item_reference", "id": "x"}], r"input\[0\] of type 'item_reference'"),
        ([{"type": ["message"]}], r"input\[0\] of type"),
        ([{"role": "wizard", "content": ""}], r"input\[0\].role must be one of"),
        ([{"role": ["user"], "content": ""}], r"input\[0\].role must be one of"),
        ([{"role": "user"}], r"input\[0\].content must be"),
        ([{"role": "user", "content": ["x"]}], r"input\[0\].content\[0\] must be an object"),
        ([{"role": "user", "content": [{"type": "hologram"}]}], "of type 'hologram'"),
        ([{"role": "user", "content": [{"type": ["text"], "text": "x"}]}], "of type"),
        ([{"role": "user", "content": [{"type": "input_text", "text": 3}]}], "'input_text'"),
    ],
)
def test_what_has_no_counterpart_is_named(given: object, said: str) -> None:
    with pytest.raises(CallFailed, match=said) as failure:
        chat_messages(None, given)

    assert failure.value.code == "invalid_request"


def test_instructions_must_be_text() -> None:
    with pytest.raises(CallFailed, match="instructions must be a string"):
        chat_messages(["x"], "hi")
