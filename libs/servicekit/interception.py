"""What happens around each handler: caller verified, deadline set, errors translated, call logged.

The one place where an exception becomes a gRPC status.
"""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import grpc
from grpc_status import rpc_status

from servicekit import logs
from servicekit.caller import CALLER_METADATA_KEY, Caller, CallerMissing, serve_for, verify_caller
from servicekit.errors import Kind, ServiceError
from servicekit.status import refusal_in, to_status
from servicekit.tokens import require_strong

# Health and reflection tell nothing of any team; probes and operators have no caller to show.
OPEN_SERVICES = ("/grpc.health.", "/grpc.reflection.")

VERIFIED_S = 10.0  # a token may end meanwhile: no longer than the leeway its end has anyway
VERIFIED_MAX = 1024

_log = logs.get_logger("servicekit.rpc")

Behaviour = Callable[[Any, Any], Any]


class AnswerTooLarge(ServiceError):
    """What was asked for does not fit into one message; asking again does not help."""

    kind = Kind.FAILED_PRECONDITION
    reason = "ANSWER_TOO_LARGE"


class CallGuard(grpc.aio.ServerInterceptor):
    """Stands around every handler of the server, health and reflection excepted."""

    def __init__(self, secret: bytes, *, unary_limit_s: float, answer_bytes_max: int) -> None:
        require_strong(secret)
        self._callers = _VerifiedCallers(secret)
        self._unary_limit_s = unary_limit_s
        self._answer_bytes_max = answer_bytes_max

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler of this call, guarded; None (unimplemented) stays None."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith(OPEN_SERVICES):
            return handler
        token = _caller_token(handler_call_details)
        return _with_behaviour(
            handler, lambda behaviour: self._guarded(handler, behaviour, method, token)
        )

    def _guarded(
        self, handler: Any, behaviour: Behaviour, method: str, token: str | None
    ) -> Behaviour:
        limited = not handler.request_streaming and not handler.response_streaming

        async def single(request: Any, context: Any) -> Any:
            async with self._call(method, token, context), self._limit(context, limited=limited):
                return self._sendable(await behaviour(request, context))

        async def several(request: Any, context: Any) -> AsyncIterator[Any]:
            async with self._call(method, token, context):
                answers = behaviour(request, context)
                if inspect.isawaitable(
                    answers
                ):  # it writes through the context instead of yielding
                    await answers
                    return
                async for answer in answers:
                    yield answer

        return several if handler.response_streaming else single

    def _sendable(self, answer: Any) -> Any:
        # gRPC would say RESOURCE_EXHAUSTED, which is what to call again later.
        size_bytes = answer.ByteSize()
        if size_bytes > self._answer_bytes_max:
            message = f"the answer has {size_bytes} bytes; at most {self._answer_bytes_max} can be"
            raise AnswerTooLarge(message)
        return answer

    def _limit(self, context: Any, *, limited: bool) -> Any:
        # With a deadline of the caller, gRPC itself cancels the handler. Streams live as long as
        # they are used.
        if limited and context.time_remaining() is None:
            return asyncio.timeout(self._unary_limit_s)
        return nullcontext()

    @asynccontextmanager
    async def _call(self, method: str, token: str | None, context: Any) -> AsyncIterator[None]:
        started = time.perf_counter()
        with logs.bind_log_fields(rpc=method):
            try:
                caller = self._verified(token)
                with logs.bind_log_fields(**_log_fields(caller)):
                    yield
                outcome = "OK"
            except grpc.aio.AbortError:
                outcome = "ABORTED_BY_HANDLER"
                raise
            except (asyncio.CancelledError, GeneratorExit):
                # The caller went away, its deadline passed, or we are stopping: nobody's error.
                outcome = "CANCELLED"
                raise
            except BaseException as error:  # noqa: BLE001 - the last line before gRPC
                outcome = _tell(error)
                await context.abort_with_status(rpc_status.to_status(to_status(error)))
            finally:
                _log.info(
                    "rpc_ended",
                    outcome=outcome,
                    run_time_ms=round((time.perf_counter() - started) * 1000, 1),
                )

    def _verified(self, token: str | None) -> Caller:
        if token is None:
            raise CallerMissing("this call says nothing about its caller")
        caller = self._callers.of(token)
        serve_for(caller)
        return caller


class _VerifiedCallers:
    """Callers whose token was verified a moment ago; verifying is a fifth of a call's cost."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._kept: dict[str, tuple[Caller, float]] = {}

    def of(self, token: str) -> Caller:
        now = time.monotonic()
        if kept := self._kept.get(token):
            caller, good_until = kept
            if now < good_until:
                return caller
        caller = verify_caller(token, self._secret)
        if len(self._kept) >= VERIFIED_MAX:
            self._kept.clear()
        self._kept[token] = (caller, now + VERIFIED_S)
        return caller


def _tell(error: BaseException) -> str:
    refusal = refusal_in(error)
    if refusal is None:
        _log.error("rpc_failed", exc_info=error)
        return "INTERNAL"
    return refusal.reason


def _log_fields(caller: Caller) -> dict[str, str]:
    fields = {"team_id": caller.team_id}
    if caller.request_id:
        fields["request_id"] = caller.request_id
    return fields


def _caller_token(details: grpc.HandlerCallDetails) -> str | None:
    for key, value in details.invocation_metadata or ():
        if key == CALLER_METADATA_KEY:
            return value if isinstance(value, str) else value.decode("ascii", "replace")
    return None


def _with_behaviour(handler: Any, wrap: Callable[[Behaviour], Behaviour]) -> Any:
    shape = f"{_arity(handler.request_streaming)}_{_arity(handler.response_streaming)}"
    make = getattr(grpc, f"{shape}_rpc_method_handler")
    return make(
        wrap(getattr(handler, shape)),
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )


def _arity(streaming: bool) -> str:  # noqa: FBT001 - named by its caller
    return "stream" if streaming else "unary"
