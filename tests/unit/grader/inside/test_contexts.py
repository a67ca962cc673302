"""What graders get as `ctx`."""

import threading

import pytest

from grader.inside.contexts import Context, ModelCallError, ModelNotSetError
from grader.inside.jobs import Grader, JsonObject, RunFacts

RUN: RunFacts = {
    "run_id": "run",
    "task_id": "task",
    "model": "candidate",
    "judge_model": "judge",
    "embedding_model": "embedder",
}


class FakeHost:
    """Answers every call with the same object and keeps the calls."""

    def __init__(self, answer: JsonObject | None = None) -> None:
        self.answer: JsonObject = {"id": "resp", "error": None} if answer is None else answer
        self.calls: list[tuple[str, JsonObject]] = []

    def __call__(self, method: str, body: JsonObject) -> JsonObject:
        self.calls.append((method, body))
        return self.answer


def context(host: FakeHost, run: RunFacts = RUN, max_model_calls: int = 64) -> Context:
    grader: Grader = {
        "model_access": "mka1",
        "metric_id": "quality",
        "max_model_calls": max_model_calls,
    }
    return Context(run, grader, host)


def test_it_tells_about_the_run() -> None:
    ctx = context(FakeHost())

    assert (ctx.run_id, ctx.task_id, ctx.model, ctx.metric_id) == (
        "run",
        "task",
        "candidate",
        "quality",
    )
    assert (ctx.judge_model, ctx.embedding_model) == ("judge", "embedder")
    assert (ctx.max_model_calls, ctx.model_calls_used) == (64, 0)


def test_defaults_are_those_of_the_manifest() -> None:
    ctx = Context({"run_id": "r", "task_id": "t", "model": "m"}, {}, FakeHost())

    assert (ctx.metric_id, ctx.max_model_calls) == ("score", 64)
    assert (ctx.judge_model, ctx.embedding_model) == (None, None)


def test_auto_is_the_judge_model_of_the_run_for_responses() -> None:
    host = FakeHost()

    response = context(host).responses_create(input="hi", temperature=0)

    assert response == {"id": "resp", "error": None}
    assert host.calls == [("responses_create", {"input": "hi", "temperature": 0, "model": "judge"})]


def test_auto_is_the_embedding_model_of_the_run_for_embeddings() -> None:
    host = FakeHost()

    context(host).embeddings_create(input=["a", "b"], dimensions=8)

    assert host.calls == [
        ("embeddings_create", {"input": ["a", "b"], "dimensions": 8, "model": "embedder"})
    ]


def test_a_named_model_is_passed_on() -> None:
    host = FakeHost()

    context(host).responses_create(model="other", input="hi")

    assert host.calls[0][1]["model"] == "other"


def test_a_run_may_set_the_word_auto_itself() -> None:
    host = FakeHost()
    run: RunFacts = {**RUN, "judge_model": "auto"}

    context(host, run).responses_create(input="hi")

    assert host.calls[0][1]["model"] == "auto"


def test_auto_without_a_model_of_the_run_is_a_value_error_and_costs_nothing() -> None:
    host = FakeHost()
    ctx = context(host, {"run_id": "r", "task_id": "t", "model": "m"})

    with pytest.raises(ValueError, match="the run sets no judge_model") as judge:
        ctx.responses_create(input="hi")
    with pytest.raises(ValueError, match="the run sets no embedding_model") as embedder:
        ctx.embeddings_create(input="hi")

    assert judge.type is embedder.type is ModelNotSetError

    assert (host.calls, ctx.model_calls_used) == ([], 0)


@pytest.mark.parametrize("grader", [{}, {"model_access": "none"}])
def test_without_model_access_both_methods_refuse(grader: Grader) -> None:
    ctx = Context(RUN, grader, FakeHost())

    with pytest.raises(PermissionError, match="model_access"):
        ctx.responses_create(input="hi")
    with pytest.raises(PermissionError, match="model_access"):
        ctx.embeddings_create(input="hi")


def test_the_call_over_the_budget_is_not_sent() -> None:
    host = FakeHost()
    ctx = context(host, max_model_calls=2)
    ctx.responses_create(input="a")
    ctx.embeddings_create(input="b")

    with pytest.raises(RuntimeError, match=r"^max_model_calls exceeded$"):
        ctx.responses_create(input="c")

    assert (len(host.calls), ctx.model_calls_used) == (2, 2)


def test_a_budget_of_none_forbids_all_calls() -> None:
    with pytest.raises(RuntimeError, match="max_model_calls exceeded"):
        context(FakeHost(), max_model_calls=0).responses_create(input="a")


def test_threads_share_one_budget() -> None:
    host = FakeHost()
    ctx = context(host, max_model_calls=50)

    def ask() -> None:
        for _ in range(20):
            try:
                ctx.responses_create(input="x")
            except RuntimeError:
                return

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(host.calls), ctx.model_calls_used) == (50, 50)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("PermissionError", PermissionError),
        ("ValueError", ValueError),
        ("RuntimeError", RuntimeError),
        ("ModelCallError", ModelCallError),
        ("SomethingNew", ModelCallError),
    ],
)
def test_a_refusal_of_the_host_is_raised_as_what_it_says(
    kind: str, expected: type[Exception]
) -> None:
    host = FakeHost({"error": {"type": kind, "message": "no", "code": "some_code"}})

    with pytest.raises(expected, match=r"^no$") as raised:
        context(host).responses_create(input="hi")

    assert type(raised.value) is expected


def test_a_missing_model_that_the_host_finds_is_the_same_error() -> None:
    refusal: JsonObject = {"type": "ValueError", "message": "no", "code": "judge_model_required"}

    with pytest.raises(ModelNotSetError) as raised:
        context(FakeHost({"error": refusal})).responses_create(input="hi")

    assert raised.value.code == "judge_model_required"


def test_a_failed_call_tells_status_and_body() -> None:
    body: JsonObject = {"error": {"message": "slow down"}}
    refusal: JsonObject = {"type": "ModelCallError", "message": "no", "status": 429, "body": body}

    with pytest.raises(ModelCallError, match=r"^no$") as raised:
        context(FakeHost({"error": refusal})).responses_create(input="hi")

    assert (raised.value.status, raised.value.body) == (429, body)
    assert raised.type is Context.ModelCallError
    assert issubclass(ModelCallError, RuntimeError)


def test_a_response_that_carries_an_error_is_a_response() -> None:
    answer: JsonObject = {"id": "resp", "status": "failed", "error": {"code": "x", "message": "y"}}

    assert context(FakeHost(answer)).responses_create(input="hi") == answer


def test_positional_arguments_are_refused() -> None:
    source = "def call(ctx): return ctx.responses_create('hi')"
    names: dict[str, object] = {}
    exec(source, names)  # noqa: S102 - our own line, wrong on purpose
    call = names["call"]

    assert callable(call)
    with pytest.raises(TypeError):
        call(context(FakeHost()))
