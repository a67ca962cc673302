"""POST /evals/imports/huggingface-results."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import SecretStr

from gateway.domain.scopes import Scope
from gateway.inbound.history.body import ImportHistoryBody
from gateway.inbound.resources.history import ImportObject, import_object
from gateway.inbound.rest.access import Access, CurrentCaller
from gateway.inbound.rest.asking import while_connected
from gateway.inbound.rest.bodies import described_body, json_body
from gateway.inbound.rest.operations import Operation, router_of
from proctor.imports.v1 import history_service_pb2 as pb
from servicekit.caller import Caller, calling_as
from servicekit.errors import Kind, ServiceError

if TYPE_CHECKING:  # these classes are in the stubs only
    from proctor.imports.v1.history_service_pb2_grpc import HistoryServiceAsyncStub

HUB_TOKEN = "X-HuggingFace-Token"  # noqa: S105 -- the name of a header
HUB_TOKEN_CHARS_MAX = 1024
# The importer gives up after an hour.
IMPORT_S_MAX = 3900.0

_TOKEN_PARAMETER: dict[str, Any] = {
    "name": HUB_TOKEN,
    "in": "header",
    "required": True,
    "description": "The caller's own token for the hub, with read access to the repository. It is "
    "kept in memory for the call and sent to the hub's host only.",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": HUB_TOKEN_CHARS_MAX,
        "pattern": "^[!-~]+$",
    },
    "example": "hf_your_read_token",
}
_BODY = {
    **described_body(
        ImportHistoryBody,
        {
            "source": {"repo": "meetkai/lm-eval-harness-result", "path_prefix": "qwen/ur/"},
            "suite_name": "MKA1 historical eval results",
            "create_missing_tasks": True,
            "metadata": {"owner": "eval-team"},
        },
    ),
    "parameters": [_TOKEN_PARAMETER],
}


class HubTokenMissing(ServiceError):
    """An import needs a token of the caller's; the server uses none of its own."""

    kind = Kind.INVALID_ARGUMENT
    reason = "MISSING_HUGGINGFACE_TOKEN"


class HubTokenInvalid(ServiceError):
    """What was sent cannot be a token."""

    kind = Kind.INVALID_ARGUMENT
    reason = "INVALID_HUGGINGFACE_TOKEN"


def _hub_token(request: Request) -> SecretStr:
    token = request.headers.get(HUB_TOKEN, "").strip()
    if not token:
        raise HubTokenMissing(f"the header {HUB_TOKEN} is missing or blank", param=HUB_TOKEN)
    if len(token) > HUB_TOKEN_CHARS_MAX or not (
        token.isascii() and token.isprintable() and " " not in token
    ):
        message = f"{HUB_TOKEN} takes at most {HUB_TOKEN_CHARS_MAX} ASCII characters without blanks"
        raise HubTokenInvalid(message, param=HUB_TOKEN)
    return SecretStr(token)


class HistoryRoutes:
    """The import of historical results, answered by the importer."""

    def __init__(self, history: "HistoryServiceAsyncStub", access: Access) -> None:
        self._history = history
        self._access = access

    def router(self) -> APIRouter:
        """The route with its documentation."""
        operation = Operation(
            id="importHistoricalEvalResults",
            method="POST",
            path="/evals/imports/huggingface-results",
            endpoint=self.import_results,
            scope=Scope.WRITE_EVALS,
            answer=ImportObject,
            body=_BODY,
            errors=(404, 502),
        )
        return router_of("imports", (operation,), self._access)

    async def import_results(
        self,
        request: Request,
        caller: CurrentCaller,
        token: Annotated[SecretStr, Depends(_hub_token)],
        body: Annotated[ImportHistoryBody, Depends(json_body(ImportHistoryBody))],
    ) -> ImportObject:
        """Import historical results from Hugging Face.

        Each file of samples that lm-evaluation-harness wrote becomes one completed run; metrics are
        recomputed from the samples. An import goes on when the client hangs up, and the same call
        finds it again: while it is under way, and for ten minutes after. Clients that wait should
        raise their timeout.
        """
        question = _question(body, token)
        body_read = asyncio.Event()
        body_read.set()
        answer = await while_connected(request, self._asked(caller, question), body_read)
        source = body.source
        return import_object(
            answer, repo=source.repo, revision=source.revision, dry_run=body.dry_run
        )

    async def _asked(
        self, caller: Caller, question: pb.ImportHistoryRequest
    ) -> pb.ImportHistoryResponse:
        with calling_as(caller):
            answers = self._history.ImportHistory(question, timeout=IMPORT_S_MAX)
        # A stream, because a plain call may take a minute only.
        return await anext(aiter(answers))


def _question(body: ImportHistoryBody, token: SecretStr) -> pb.ImportHistoryRequest:
    source = body.source
    return pb.ImportHistoryRequest(
        hub_token=token.get_secret_value(),
        repo=source.repo,
        revision=source.revision,
        path_prefix=source.path_prefix or "",
        files=source.files or (),
        suite_id=body.suite_id or "",
        suite_name=body.suite_name,
        suite_description=body.suite_description,
        create_missing_tasks=body.create_missing_tasks,
        dry_run=body.dry_run,
        limit_files=body.limit_files or 0,
        metadata=body.metadata,
    )
