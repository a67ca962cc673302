"""What surrounds every request: its id, its log line, the last net under our own defects."""

import re
import time

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.inbound.rest.problems import problem
from servicekit.ids import new_id
from servicekit.logs import bind_log_fields, get_logger

REQUEST_ID_HEADER = b"x-request-id"
# What a client may choose itself; anything else could forge log lines or outgrow a header.
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
# Asked every few seconds by probes; they would drown the log.
_QUIET_PATHS = frozenset({"/healthz", "/readyz"})

log = get_logger(__name__)


class RequestFrame:
    """Wraps the whole application: an id for each request, echoed on every answer; one log line.

    The client's own `x-request-id` is taken over when it is a plain word.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(send, request_id)
        with bind_log_fields(request_id=request_id):
            started = time.perf_counter()
            try:
                await self._answer(scope, receive, answer)
            finally:
                if scope["path"] not in _QUIET_PATHS:
                    _log_line(scope, answer.status, time.perf_counter() - started)

    async def _answer(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        if _holds_nul(scope):
            # Postgres cannot store it, so nothing has such a name.
            refusal = problem(
                Request(scope),
                400,
                reason="INVALID_PARAMETER",
                message="paths and parameters hold no NUL characters",
            )
            await refusal(scope, receive, answer.send)
            return
        try:
            await self._app(scope, receive, answer.send)
        except Exception:
            log.exception("request_crashed", method=scope["method"], path=scope["path"])
            if not answer.ended:
                # The server cuts the connection, so that half an answer is not taken for whole.
                raise


class _Answer:
    """Watches an answer go out and gives it the request's id."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._header = (REQUEST_ID_HEADER, request_id.encode())
        self.status = 0
        self.ended = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), self._header]
        elif message["type"] == "http.response.body":
            self.ended = not message.get("more_body", False)
        await self._send(message)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == REQUEST_ID_HEADER and _REQUEST_ID.fullmatch(value):
            sent: str = value.decode("ascii")
            return sent
    return new_id("req")


def _holds_nul(scope: Scope) -> bool:
    return "\x00" in scope["path"] or b"%00" in scope["query_string"]


def _log_line(scope: Scope, status: int, run_time_s: float) -> None:
    caller = scope["state"].get("caller")
    log.info(
        "request_answered",
        method=scope["method"],
        path=scope["path"],
        status=status,
        run_time_s=round(run_time_s, 4),
        key_id=caller.key_id if caller else "",
        team_id=caller.team_id if caller else "",
    )
