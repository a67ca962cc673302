from servicekit.errors import Kind, RemoteError, ServiceError, Violation


class RunNotFound(ServiceError):
    kind = Kind.NOT_FOUND
    reason = "RUN_NOT_FOUND"


def test_the_values_of_the_sentence_are_kept_as_strings() -> None:
    error = RunNotFound("run 7 is gone", run=7, param="run_id")

    assert error.metadata == {"run": "7", "param": "run_id"}
    assert str(error) == error.message == "run 7 is gone"


def test_a_refusal_without_problems_has_an_empty_list_of_them() -> None:
    assert RunNotFound("gone").violations == ()


def test_a_refusal_carries_every_problem_in_order() -> None:
    problems = [Violation("a", "TOO_LONG", "a is long"), Violation("b", "MISSING", "b is missing")]

    assert RunNotFound("two problems", violations=problems).violations == tuple(problems)


def test_a_remote_error_has_a_kind_and_reason_of_its_own() -> None:
    one = RemoteError("a", kind=Kind.NOT_FOUND, reason="A", metadata={"x": "1"})
    other = RemoteError("b", kind=Kind.ABORTED, reason="B")

    assert (one.kind, one.reason, one.metadata) == (Kind.NOT_FOUND, "A", {"x": "1"})
    assert (other.kind, other.reason, other.metadata) == (Kind.ABORTED, "B", {})
