import asyncio
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from integration.servicekit.serving import (
    CALLER,
    PATIENCE_S,
    SECRET,
    FileNotFound,
    Files,
    missing,
    serving,
)
from localstack.ports import free_port
from proctor.files.v1 import file_pb2
from proctor.files.v1 import file_service_pb2 as files_pb
from proctor.files.v1 import file_service_pb2_grpc as files_grpc
from proctor.models.v1 import model_bridge_service_pb2 as bridge_pb
from servicekit.caller import Caller, calling_as, current_caller
from servicekit.client import open_channel
from servicekit.errors import Kind, RemoteError, ServiceError, Violation

GET = files_pb.GetFileRequest(file_id="f")


async def uploads(count: int) -> AsyncIterator[files_pb.UploadFileRequest]:
    for _ in range(count):
        yield files_pb.UploadFileRequest()


async def test_a_refusal_comes_out_of_a_unary_call() -> None:
    async with serving(Files()) as served:
        with pytest.raises(RemoteError) as refused:
            await served.files.GetFile(GET)

    assert refused.value.kind == Kind.NOT_FOUND
    assert refused.value.reason == "FILE_NOT_FOUND"
    assert refused.value.metadata == {"file": "f", "param": "file_id"}


async def test_a_refusal_comes_out_of_a_stream_after_what_was_sent_before_it() -> None:
    async with serving(Files()) as served:
        answers = aiter(served.files.DownloadFile(files_pb.DownloadFileRequest()))
        chunks = [(await anext(answers)).chunk, (await anext(answers)).chunk]
        with pytest.raises(RemoteError, match="missing"):
            await anext(answers)

    assert chunks == [b"a", b"b"]


async def test_a_refusal_comes_out_of_an_upload() -> None:
    async with serving(Files()) as served:
        with pytest.raises(RemoteError) as refused:
            await served.files.UploadFile(uploads(3))

    assert refused.value.metadata["file"] == "3"


async def test_a_refusal_comes_out_of_a_conversation() -> None:
    async with serving(Files()) as served:
        call = served.bridge.Generate()
        await call.write(bridge_pb.GenerateRequest(request_id="good"))
        answer = await call.read()
        await call.write(bridge_pb.GenerateRequest(request_id="bad"))
        with pytest.raises(RemoteError, match="missing"):
            await call.read()

    assert answer == bridge_pb.GenerateResponse(request_id="good")


async def test_an_upload_that_breaks_here_raises_what_broke_it() -> None:
    async def broken() -> AsyncIterator[files_pb.UploadFileRequest]:
        yield files_pb.UploadFileRequest()
        raise ConnectionResetError("the browser went away")

    async with serving(Files()) as served:
        with pytest.raises(ConnectionResetError, match="the browser"):
            await served.files.UploadFile(broken())


async def test_many_problems_arrive_at_once() -> None:
    problems = [Violation(f"manifest.tasks[{n}]", "MISSING", "x" * 80) for n in range(1500)]

    async def refuse(file_id: str) -> files_pb.GetFileResponse:
        raise FileNotFound("bad manifest", violations=problems)

    async with serving(Files(refuse)) as served:
        with pytest.raises(RemoteError) as refused:
            await served.files.GetFile(GET)

    assert refused.value.violations == tuple(problems)


async def test_a_refusal_of_a_service_behind_goes_through_unchanged() -> None:
    async with serving(Files()) as behind:

        async def ask_behind(file_id: str) -> files_pb.GetFileResponse:
            return await behind.files.GetFile(files_pb.GetFileRequest(file_id=file_id))

        async with serving(Files(ask_behind)) as front:
            with pytest.raises(RemoteError) as refused:
                await front.files.GetFile(GET)

    assert (refused.value.reason, refused.value.metadata["file"]) == ("FILE_NOT_FOUND", "f")


async def test_an_unknown_exception_is_logged_and_not_shown() -> None:
    async def fail(file_id: str) -> files_pb.GetFileResponse:
        raise ValueError("hunter2")

    async with serving(Files(fail)) as served:
        with capture_logs() as logs, pytest.raises(RemoteError) as refused:
            await served.files.GetFile(GET)

    assert refused.value.kind == Kind.INTERNAL
    assert "hunter2" not in refused.value.message
    assert [repr(line["exc_info"]) for line in logs if line["event"] == "rpc_failed"] == [
        "ValueError('hunter2')"
    ]


async def test_a_client_that_goes_away_ends_the_handler_and_is_nobodys_error() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def wait(file_id: str) -> files_pb.GetFileResponse:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    async with asyncio.timeout(PATIENCE_S), serving(Files(wait)) as served:
        with capture_logs() as logs:
            call = served.files.GetFile(GET)
            await begun.wait()
            call.cancel()
            await ended.wait()

    assert not [line for line in logs if line["log_level"] in {"warning", "error"}]


async def test_a_deadline_passes_here_and_ends_the_handler_there() -> None:
    ended = asyncio.Event()

    async def wait(file_id: str) -> files_pb.GetFileResponse:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    async with asyncio.timeout(PATIENCE_S), serving(Files(wait)) as served:
        with pytest.raises(RemoteError) as refused:
            await served.files.GetFile(GET, timeout=0.1)
        await ended.wait()

    assert refused.value.kind == Kind.DEADLINE_EXCEEDED


async def test_a_handler_knows_its_caller() -> None:
    seen: list[Caller] = []

    async def note(file_id: str) -> files_pb.GetFileResponse:
        seen.append(current_caller())
        return files_pb.GetFileResponse()

    other = Caller(org_id="org_2", team_id="team_2", scopes=("read:evals",))
    async with serving(Files(note)) as served:
        await served.files.GetFile(GET)
        with calling_as(other):
            await served.files.GetFile(GET)

    assert seen == [CALLER, other]


async def test_the_caller_of_a_call_is_the_caller_of_the_calls_it_makes() -> None:
    seen: list[Caller] = []

    async def note(file_id: str) -> files_pb.GetFileResponse:
        seen.append(current_caller())
        return files_pb.GetFileResponse()

    async with serving(Files(note)) as behind:
        stub = behind.files

        async def ask_behind(file_id: str) -> files_pb.GetFileResponse:
            return await stub.GetFile(GET)

        async with serving(Files(ask_behind)) as front:
            await front.files.GetFile(GET)

    assert seen == [CALLER]


async def test_a_call_of_somebody_without_our_secret_is_refused() -> None:
    async with serving(Files()) as served:
        target = f"127.0.0.1:{served.server.port}"
        async with open_channel(target, secret=b"another secret of 32 bytes .....") as channel:
            stub: files_grpc.FileServiceAsyncStub = files_grpc.FileServiceStub(channel)
            with pytest.raises(RemoteError) as refused:
                await stub.GetFile(GET)

    assert (refused.value.kind, refused.value.reason) == (Kind.UNAUTHENTICATED, "CALLER_INVALID")


async def test_questions_are_asked_again_while_the_service_is_unavailable() -> None:
    asked = 0

    async def recover(file_id: str) -> files_pb.GetFileResponse:
        nonlocal asked
        asked += 1
        if asked < 3:
            error = ServiceError("not yet")
            error.kind = Kind.UNAVAILABLE
            raise error
        return files_pb.GetFileResponse()

    async with serving(Files(recover)) as served:
        await served.files.GetFile(GET)

    assert asked == 3


async def test_what_changes_something_is_asked_once() -> None:
    asked = 0

    async def refuse(file_id: str) -> files_pb.GetFileResponse:
        nonlocal asked
        asked += 1
        error = ServiceError("not now")
        error.kind = Kind.UNAVAILABLE
        raise error

    async with serving(Files(refuse)) as served:
        with pytest.raises(RemoteError):
            await served.files.DeleteFile(files_pb.DeleteFileRequest())

    assert asked == 1


async def test_a_service_that_is_not_there_is_unavailable() -> None:
    async with open_channel("127.0.0.1:1", secret=SECRET) as channel:
        stub: files_grpc.FileServiceAsyncStub = files_grpc.FileServiceStub(channel)
        with calling_as(CALLER), pytest.raises(RemoteError) as refused:
            await stub.GetFile(GET)

    assert refused.value.kind == Kind.UNAVAILABLE
    assert "127.0.0.1" not in refused.value.message


async def test_a_large_batch_goes_through_in_one_message() -> None:
    async def answer(file_id: str) -> files_pb.GetFileResponse:
        return files_pb.GetFileResponse()

    async with serving(Files(answer)) as served:
        await served.files.GetFile(files_pb.GetFileRequest(file_id="x" * 15_000_000))


async def test_an_answer_that_no_message_can_carry_is_a_refusal_with_a_reason() -> None:
    async def answer(file_id: str) -> files_pb.GetFileResponse:
        return files_pb.GetFileResponse(file=file_pb2.File(filename="x" * int(file_id)))

    async with serving(Files(answer)) as served:
        await served.files.GetFile(files_pb.GetFileRequest(file_id="15000000"))
        with pytest.raises(RemoteError) as refused:
            await served.files.GetFile(files_pb.GetFileRequest(file_id="17000000"))

    assert (refused.value.kind, refused.value.reason) == (
        Kind.FAILED_PRECONDITION,
        "ANSWER_TOO_LARGE",
    )
    assert "at most 16777216" in refused.value.message


async def test_a_method_that_nobody_serves_is_unimplemented() -> None:
    async with serving(Files(missing), services=[]) as served:
        with pytest.raises(RemoteError) as refused:
            await served.files.GetFile(GET)

    assert refused.value.kind == Kind.UNIMPLEMENTED


async def test_a_proxy_of_the_environment_stands_between_no_two_services(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("grpc_proxy", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async with serving(Files()) as served:
        with pytest.raises(RemoteError) as refused:
            await served.files.GetFile(GET)

    assert refused.value.reason == "FILE_NOT_FOUND"


async def test_a_new_channel_does_not_wait_for_an_older_one_that_was_refused() -> None:
    port = free_port()
    delete = files_pb.DeleteFileRequest(file_id="f")
    async with open_channel(f"127.0.0.1:{port}", secret=SECRET) as older:
        stub: files_grpc.FileServiceAsyncStub = files_grpc.FileServiceStub(older)
        with calling_as(CALLER), pytest.raises(RemoteError):
            await stub.DeleteFile(delete)

        async with serving(Files(), address=f"127.0.0.1:{port}") as served:
            with pytest.raises(RemoteError) as refused:
                await served.files.DeleteFile(delete)

    assert refused.value.kind == Kind.NOT_FOUND
