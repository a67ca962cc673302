import grpc
import pytest
from grpc_status import rpc_status
from hypothesis import given
from hypothesis import strategies as st

from servicekit.errors import Kind, RemoteError, ServiceError, Violation
from servicekit.status import from_rpc_error, refusal_in, to_status

METHOD = "/proctor.files.v1.FileService/GetFile"


class FileNotFound(ServiceError):
    kind = Kind.NOT_FOUND
    reason = "FILE_NOT_FOUND"


def refusal(kind: Kind, message: str, **metadata: object) -> ServiceError:
    error = ServiceError(message, violations=(), **metadata)
    error.kind = kind
    error.reason = "A_REASON"
    return error


def received(error: BaseException) -> RemoteError:
    """What a client makes of the status that the server makes of `error`."""
    status = rpc_status.to_status(to_status(error))
    trailing = grpc.aio.Metadata(*status.trailing_metadata)
    sent = grpc.aio.AioRpcError(status.code, grpc.aio.Metadata(), trailing, status.details)
    return from_rpc_error(sent, METHOD)


def without_details(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    nothing = grpc.aio.Metadata()
    return grpc.aio.AioRpcError(code, nothing, nothing, "connect to 10.0.0.7:7102 failed")


@given(
    kind=st.sampled_from(Kind),
    message=st.text(min_size=1, max_size=200),
    values=st.dictionaries(st.sampled_from(["run", "param", "limit"]), st.text(max_size=50)),
)
def test_a_refusal_arrives_as_it_was_raised(
    kind: Kind, message: str, values: dict[str, str]
) -> None:
    arrived = received(refusal(kind, message, **values))

    assert arrived.kind == kind
    assert arrived.reason == "A_REASON"
    assert arrived.message == message
    assert arrived.metadata == values


def test_every_problem_of_a_request_arrives() -> None:
    problems = [Violation(f"manifest.tasks[{n}]", "MISSING", f"task {n}") for n in range(500)]

    arrived = received(FileNotFound("500 problems", violations=problems))

    assert arrived.violations == tuple(problems)


def test_problems_beyond_what_a_status_can_carry_are_counted() -> None:
    problems = [Violation(f"rows[{n}]", "TOO_LONG", "x" * 1000) for n in range(1000)]

    arrived = received(FileNotFound("many", violations=problems))

    left_out = int(arrived.metadata["violations_omitted"])
    assert left_out > 0
    assert arrived.violations == tuple(problems[: 1000 - left_out])


def test_a_message_of_any_length_still_travels() -> None:
    assert received(FileNotFound("x" * 1_000_000)).message.startswith("xxxx")


def test_nothing_of_an_unknown_exception_is_shown() -> None:
    arrived = received(ValueError("password=hunter2"))

    assert arrived.kind == Kind.INTERNAL
    assert "hunter2" not in repr(arrived) + arrived.message + str(arrived.metadata)


def test_a_refusal_out_of_a_task_group_is_told_like_any_other() -> None:
    group = ExceptionGroup("tasks", [ExceptionGroup("inner", [FileNotFound("gone", file="f")])])

    assert received(group).reason == "FILE_NOT_FOUND"


def test_a_group_with_anything_unknown_in_it_is_internal() -> None:
    assert refusal_in(ExceptionGroup("tasks", [FileNotFound("gone"), ValueError("bug")])) is None


def test_a_timeout_of_the_handler_is_an_exceeded_deadline() -> None:
    assert received(TimeoutError()).kind == Kind.DEADLINE_EXCEEDED


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, Kind.UNAVAILABLE),
        (grpc.StatusCode.DEADLINE_EXCEEDED, Kind.DEADLINE_EXCEEDED),
        (grpc.StatusCode.UNKNOWN, Kind.INTERNAL),
        (grpc.StatusCode.CANCELLED, Kind.UNAVAILABLE),
    ],
)
def test_a_status_that_is_not_ours_is_told_by_its_code(code: grpc.StatusCode, kind: Kind) -> None:
    arrived = from_rpc_error(without_details(code), METHOD)

    assert arrived.kind == arrived.reason == kind


def test_addresses_that_grpc_names_are_not_shown() -> None:
    arrived = from_rpc_error(without_details(grpc.StatusCode.UNAVAILABLE), METHOD)

    assert "10.0.0.7" not in arrived.message
