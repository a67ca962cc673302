import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bridge.call import AnswerStatus, CallFailed
from gateway.bridge.response_reading import (
    CUT_MARK,
    REASONING_BYTES,
    cut_utf8,
    read_embeddings,
    read_response,
)
from gateway.domain.usage import TokenCounts

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def message(*parts: dict[str, Any], **fields: object) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": list(parts), **fields}


def text(value: str) -> dict[str, Any]:
    return {"type": "output_text", "text": value}


def refusal(value: str) -> dict[str, Any]:
    return {"type": "refusal", "refusal": value}


def output_text(*output: object, **fields: object) -> str:
    return read_response({"status": "completed", "output": list(output), **fields}).output_text


def test_the_top_level_text_counts_first() -> None:
    assert output_text(message(text("inner")), output_text="top") == "top"


def test_text_parts_are_joined_without_a_separator() -> None:
    assert output_text(message(text("a"), text("b")), message(text("c"))) == "abc"


def test_only_the_assistants_messages_count() -> None:
    assert output_text(message(text("no"), role="user"), message(text("yes"))) == "yes"


def test_a_message_without_a_role_is_the_assistants() -> None:
    assert output_text({"type": "message", "content": [text("yes")]}) == "yes"


def test_with_a_final_answer_nothing_else_counts() -> None:
    output = (
        message(text("thinking aloud"), phase="commentary"),
        message(text("unmarked")),
        message(text("4"), phase="final_answer"),
        message(text("2"), phase="final_answer"),
    )

    assert output_text(*output) == "42"


def test_commentary_counts_when_there_is_no_final_answer() -> None:
    assert output_text(message(text("only this"), phase="commentary")) == "only this"


def test_a_refusal_counts_only_when_there_is_nothing_else() -> None:
    assert output_text(message(refusal("I will not."))) == "I will not."
    assert output_text(message(text("fine"), refusal("I will not."))) == "fine"
    assert output_text(message(refusal("I will not.")), output_text="") == "I will not."


def test_no_output_is_an_empty_text() -> None:
    assert output_text() == ""


def test_the_body_has_the_text_filled_in() -> None:
    answer = read_response({"id": "resp_1", "output": [message(text("a"))]})

    assert answer.body["output_text"] == "a"
    assert answer.response_id == "resp_1"


def test_reasoning_is_the_content_of_reasoning_items_else_their_summary() -> None:
    full = {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "short"}],
        "content": [{"type": "reasoning_text", "text": "long"}],
    }
    summarised = {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": s} for s in ("one", "two")],
    }

    answer = read_response({"output": [full, summarised, message(text("a"))]})

    assert answer.reasoning == "long\none\ntwo"


def test_reasoning_is_cut_at_64_kib() -> None:
    item = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "é" * 70_000}]}

    reasoning = read_response({"output": [item]}).reasoning

    assert len(reasoning.encode()) <= REASONING_BYTES
    assert reasoning.endswith(CUT_MARK)


@given(st.text(max_size=200), st.integers(min_value=len(CUT_MARK), max_value=300))
def test_a_cut_is_whole_characters_within_the_limit(value: str, limit: int) -> None:
    cut = cut_utf8(value, limit_bytes=limit)

    assert len(cut.encode()) <= limit
    if len(value.encode()) <= limit:
        assert cut == value
    else:
        assert value.startswith(cut.removesuffix(CUT_MARK))
        assert cut.endswith(CUT_MARK)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"status": "completed"}, AnswerStatus.COMPLETED),
        ({"status": "incomplete"}, AnswerStatus.INCOMPLETE),
        ({"status": "failed"}, AnswerStatus.FAILED),
        ({"status": "cancelled"}, AnswerStatus.FAILED),
        ({}, AnswerStatus.COMPLETED),
    ],
)
def test_the_status_is_the_upstreams(said: dict[str, str], status: AnswerStatus) -> None:
    assert read_response({"output": [], **said}).status is status


@pytest.mark.parametrize("status", ["in_progress", "queued", "melted", 7, ["completed"]])
def test_a_response_that_is_not_finished_is_a_model_error(status: object) -> None:
    with pytest.raises(CallFailed) as failure:
        read_response({"output": [], "status": status})

    assert failure.value.code == "model_error"


def test_a_failed_response_tells_why() -> None:
    answer = read_response({"status": "failed", "error": {"code": "x", "message": "no memory"}})

    assert answer.status is AnswerStatus.FAILED
    assert answer.error_message.endswith(": no memory")


def test_an_error_with_status_200_is_a_model_error() -> None:
    with pytest.raises(CallFailed, match="no response: quota"):
        read_response({"error": {"message": "quota"}})


def test_tokens_are_what_the_provider_reported() -> None:
    usage = {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 5},
    }

    assert read_response({"output": [], "usage": usage}).tokens == TokenCounts(
        input_tokens=10, output_tokens=7, cached_tokens=4, reasoning_tokens=5
    )


@pytest.mark.parametrize(
    "usage",
    [None, "many", [], {"input_tokens": -1, "output_tokens": 2**63}, {"input_tokens": True}],
)
def test_what_is_no_count_was_not_reported(usage: object) -> None:
    assert read_response({"output": [], "usage": usage}).tokens == TokenCounts()


def test_a_monstrous_id_is_cut() -> None:
    assert len(read_response({"output": [], "id": "x" * 100_000}).response_id) == 256


@given(
    st.fixed_dictionaries(
        {"output": st.lists(st.dictionaries(st.sampled_from(
            ["type", "role", "content", "phase", "summary"]
        ), json_values | st.sampled_from(["message", "reasoning", "assistant"])))},
        optional={"id": json_values, "usage": json_values, "error": json_values,
                  "output_text": json_values, "status": json_values},
    )
)  # fmt: skip
def test_no_response_breaks_the_reader(response: dict[str, Any]) -> None:
    with contextlib.suppress(CallFailed):
        assert isinstance(read_response(response).output_text, str)


def test_embeddings_are_passed_on_with_their_tokens() -> None:
    body = {
        "object": "list",
        "data": [{"index": 0, "embedding": [0.5]}],
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }

    answer = read_embeddings(body)

    assert answer.body == body
    assert answer.tokens == TokenCounts(input_tokens=3)
    assert answer.status is None


def test_an_answer_without_embeddings_is_a_model_error() -> None:
    with pytest.raises(CallFailed, match="no embeddings: bad"):
        read_embeddings({"error": "bad"})
