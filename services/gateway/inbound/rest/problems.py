"""The only place where an error becomes an HTTP answer.

One body serves two readers: the `error` object of the REST contract (integer `code`, stable
`reason`, `param`, `details`) and the members of an RFC 9457 problem document. The media type stays
`application/json`, because the published client parses nothing else.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match

from gateway.inbound.resources.problems import ErrorObject, Problem, ProblemDetail
from gateway.inbound.rest.paths import path_of
from manifest.section import predicate_of
from servicekit.errors import Kind, RemoteError, ServiceError, Violation
from servicekit.logs import get_logger

log = get_logger(__name__)

CLIENT_CLOSED_REQUEST = 499
_Handler = Callable[[Request, Any], Coroutine[Any, Any, Response]]

# Long enough for a restarted service to listen again, short enough for a client that gives up after
# 15 s.
RETRY_AFTER_S = 1

_STATUS_BY_KIND = {
    Kind.INVALID_ARGUMENT: 400,
    Kind.OUT_OF_RANGE: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.PERMISSION_DENIED: 403,
    Kind.NOT_FOUND: 404,
    Kind.ALREADY_EXISTS: 409,
    Kind.ABORTED: 409,
    Kind.FAILED_PRECONDITION: 409,
    Kind.RESOURCE_EXHAUSTED: 429,
    Kind.CANCELLED: CLIENT_CLOSED_REQUEST,
    Kind.UNIMPLEMENTED: 501,
    Kind.UNAVAILABLE: 503,
    Kind.DEADLINE_EXCEEDED: 504,
    Kind.INTERNAL: 500,
    Kind.DATA_LOSS: 500,
}
# HTTP has a word of its own for these; their kind alone would say 400.
_STATUS_BY_REASON = {
    "FILE_TOO_LARGE": 413,
    "AUDIO_TOO_LARGE": 413,
    "TRAJECTORY_TOO_LARGE": 413,
    "BODY_TIMEOUT": 408,
    # Not a part of ours that is away.
    "HUGGINGFACE_UNAVAILABLE": 502,
    "HUGGINGFACE_ANSWER_INVALID": 502,
}
# What gRPC itself says when a service did not get to speak. A service that stops cancels its calls.
_STATUS_BY_GRPC = {
    Kind.UNAVAILABLE: 503,
    Kind.CANCELLED: 503,
    Kind.DEADLINE_EXCEEDED: 504,
    Kind.UNIMPLEMENTED: 501,
}
_MESSAGE_BY_STATUS = {
    501: "this installation cannot do that yet",
    503: "a part of the service cannot be reached; try again",
    504: "a part of the service took too long to answer",
}
_TYPE_BY_STATUS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
}
_RETRY_LATER = frozenset({429, 503})
_SERVER_ERROR = 500
_WRONG_METHOD = 405
_INTERNAL_MESSAGE = "something went wrong on our side; the request id finds it in our logs"


async def _on_service_error(request: Request, error: ServiceError) -> Response:
    """Answer a refusal of ours or of a service behind us."""
    status = status_of(error)
    if status == _SERVER_ERROR:
        log.error("request_failed", kind=error.kind.value, reason=error.reason, said=error.message)
        return _failure(request)
    param = error.metadata.get("param") or (error.violations[0].path if error.violations else "")
    return problem(
        request,
        status,
        reason=_reason_of(error),
        message=_MESSAGE_BY_STATUS[status] if _is_by_grpc(error) else error.message,
        param=param or None,
        violations=error.violations,
    )


async def _on_bad_parameter(request: Request, error: RequestValidationError) -> Response:
    """Answer path, query and header parameters that do not have the documented form."""
    violations = []
    for entry in error.errors():
        _source, *location = entry["loc"]
        path = path_of(location)
        sentence = f"{path} {predicate_of(entry)}"
        violations.append(Violation(path, "INVALID_PARAMETER", sentence))
    return problem(
        request,
        400,
        reason="INVALID_PARAMETER",
        message=violations[0].message,
        param=violations[0].path or None,
        violations=violations,
    )


async def _on_http_error(request: Request, error: HTTPException) -> Response:
    """Answer what the router refuses: unknown paths and methods."""
    reasons = {404: "UNKNOWN_PATH", 405: "METHOD_NOT_ALLOWED"}
    messages = {
        404: f"there is no {request.url.path}",
        405: f"{request.method} is not possible on {request.url.path}",
    }
    return problem(
        request,
        error.status_code,
        reason=reasons.get(error.status_code, "INVALID_REQUEST"),
        message=messages.get(error.status_code, str(error.detail)),
        headers={"Allow": _allowed(request)}
        if error.status_code == _WRONG_METHOD
        else error.headers,
    )


async def _on_client_gone(request: Request, error: Exception) -> Response:
    """Finish a request whose client hung up; nobody reads the answer."""
    del request, error
    return Response(status_code=CLIENT_CLOSED_REQUEST)


async def _on_crash(request: Request, error: Exception) -> Response:
    """Answer a defect of ours; the exception itself is logged where it ends up."""
    del error
    return _failure(request)


HANDLERS: dict[int | type[Exception], _Handler] = {
    ServiceError: _on_service_error,
    RequestValidationError: _on_bad_parameter,
    HTTPException: _on_http_error,
    ClientDisconnect: _on_client_gone,
    Exception: _on_crash,
}


def status_of(error: ServiceError) -> int:
    """The HTTP status that an error travels with."""
    if _is_by_grpc(error):
        return _STATUS_BY_GRPC.get(error.kind, _SERVER_ERROR)
    if isinstance(error, RemoteError) and error.kind is Kind.UNAUTHENTICATED:
        # Between services that is our misconfiguration; a bad key would have been refused here.
        return _SERVER_ERROR
    return _STATUS_BY_REASON.get(error.reason) or _STATUS_BY_KIND[error.kind]


def problem(
    request: Request,
    status: int,
    *,
    reason: str,
    message: str,
    param: str | None = None,
    violations: Sequence[Violation] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer for one refused request."""
    document = _document(
        status,
        reason=reason.lower(),
        message=message,
        param=param,
        violations=violations,
        request_id=getattr(request.state, "request_id", ""),
    )
    return Response(
        document.model_dump_json(),
        status_code=status,
        headers={**_headers_for(status), **(headers or {})},
        media_type="application/json",
    )


def problem_without_request(status: int, *, reason: str, message: str) -> bytes:
    """The body for what is refused before it is a request, and so has no id."""
    document = _document(status, reason=reason.lower(), message=message)
    return document.model_dump_json().encode()


def _document(
    status: int,
    *,
    reason: str,
    message: str,
    param: str | None = None,
    violations: Sequence[Violation] = (),
    request_id: str = "",
) -> Problem:
    details = [_detail(violation, reason) for violation in violations]
    return Problem(
        error=ErrorObject(
            message=message,
            type=_error_type(status),
            code=status,
            reason=reason,
            param=param,
            details=details or None,
        ),
        type=f"urn:proctor:problem:{reason}",
        title=reason.replace("_", " ").capitalize(),
        status=status,
        detail=message,
        instance=f"urn:proctor:request:{request_id}",
        reason=reason,
        request_id=request_id,
        errors=details,
    )


def _error_type(status: int) -> str:
    """The contract's coarse class of an error."""
    if status >= _SERVER_ERROR:
        return "api_error"
    return _TYPE_BY_STATUS.get(status, "invalid_request_error")


def _allowed(request: Request) -> str:
    """Every method of the path; each route knows only its own."""
    methods: set[str] = set()
    for route in request.app.state.all_routes:
        match, _scope = route.matches(request.scope)
        if match is not Match.NONE:
            methods |= getattr(route, "methods", None) or set()
    # A path without a route of ours is below a mount, and all that is mounted is files.
    return ", ".join(sorted(methods or {"GET", "HEAD"}))


def _failure(request: Request) -> Response:
    return problem(request, _SERVER_ERROR, reason="INTERNAL", message=_INTERNAL_MESSAGE)


def _is_by_grpc(error: ServiceError) -> bool:
    # Such a status has no reason of its own, and its message names methods that mean nothing here.
    return isinstance(error, RemoteError) and error.reason == error.kind.value


def _reason_of(error: ServiceError) -> str:
    # The contract wants the first problem's own word; the error's is the class of all of them.
    first = error.violations[0].reason if error.violations else ""
    return first or error.reason


def _detail(violation: Violation, word: str) -> ProblemDetail:
    reason = violation.reason.lower() or word
    return ProblemDetail(path=violation.path, message=violation.message, reason=reason)


def _headers_for(status: int) -> dict[str, str]:
    if status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": "Bearer"}
    return {"Retry-After": str(RETRY_AFTER_S)} if status in _RETRY_LATER else {}
