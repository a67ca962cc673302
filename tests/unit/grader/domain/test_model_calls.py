import pytest

from grader.domain.model_calls import Method, ModelAccess, Refusal, checked_body
from grader.domain.strict_json import Json


def access(
    *, allowed: bool = True, judge_model: str | None = "judge", calls_max: int = 2
) -> ModelAccess:
    return ModelAccess(
        allowed=allowed, judge_model=judge_model, embedding_model=None, calls_max=calls_max
    )


def refused(body: Json, *, of: ModelAccess | None = None, made: int = 0) -> dict[str, Json]:
    with pytest.raises(Refusal) as refusal:
        checked_body(of or access(), Method.RESPONSES, body, calls_made=made)
    return dict(refusal.value.error)


def test_auto_is_the_runs_judge_model_and_nothing_is_streamed_or_stored() -> None:
    body = checked_body(
        access(), Method.RESPONSES, {"input": "x", "stream": True, "background": True}, calls_made=0
    )

    assert body == {
        "input": "x",
        "model": "judge",
        "stream": False,
        "background": False,
        "store": False,
    }


def test_a_model_by_name_and_a_wish_to_store_are_passed_on() -> None:
    body = checked_body(
        access(judge_model=None),
        Method.RESPONSES,
        {"input": "x", "model": "gpt", "store": True},
        calls_made=0,
    )

    assert body["model"] == "gpt"
    assert body["store"] is True


def test_a_judge_model_may_itself_be_called_auto() -> None:
    body = checked_body(access(judge_model="auto"), Method.RESPONSES, {"input": "x"}, calls_made=0)

    assert body["model"] == "auto"


def test_embeddings_know_fewer_fields() -> None:
    body = checked_body(
        access(), Method.EMBEDDINGS, {"input": ["x"], "model": "e", "dimensions": 8}, calls_made=0
    )

    assert body == {"input": ["x"], "model": "e", "dimensions": 8}
    with pytest.raises(Refusal):
        checked_body(access(), Method.EMBEDDINGS, {"input": "x", "tools": []}, calls_made=0)


def test_without_access_every_call_is_a_permission_error() -> None:
    assert refused({"input": "x"}, of=access(allowed=False))["type"] == "PermissionError"


def test_the_call_after_the_last_is_a_runtime_error() -> None:
    assert refused({"input": "x"}, made=2) == {
        "type": "RuntimeError",
        "message": "max_model_calls exceeded",
        "code": "",
    }


def test_auto_without_a_setting_names_the_setting() -> None:
    error = refused({"input": "x"}, of=access(judge_model=None))

    assert (error["type"], error["code"]) == ("ValueError", "judge_model_required")
    with pytest.raises(Refusal, match="embedding_model"):
        checked_body(access(), Method.EMBEDDINGS, {"input": "x"}, calls_made=0)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {"input": "x", "extra_headers": {}},
        {"input": "x", "extra_body": {"stream": True}},
        {"input": "x", "model": 1},
        {"input": "x", "model": ""},
        {"input": "x", "model": "m" * 257},
    ],
)
def test_a_body_that_may_not_be_sent_is_a_value_error(body: Json) -> None:
    assert refused(body)["type"] == "ValueError"
