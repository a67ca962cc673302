"""How an operation is described and mounted."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from gateway.domain.scopes import Scope
from gateway.inbound.rest.access import Access
from gateway.inbound.rest.queries import require_known_queries

PREFIX = "/api/v1/llm"

_MEANINGS = {
    400: "The request is malformed, out of range or contradicts itself.",
    401: "The API key is missing, unknown or revoked.",
    403: "The API key lacks the scope of the operation, or the object is only shared to be read.",
    404: "There is no such object, or it belongs to another team that does not share it.",
    409: "The object's state does not allow the operation.",
    408: "The body did not arrive in time.",
    413: "What was sent is too large.",
    431: "The request's head is too large.",
    502: "The Hugging Face hub cannot be used, or gave an answer that cannot be.",
    503: "A part of the service cannot be reached; try again after the time in Retry-After.",
}
_EVERYWHERE = (400, 401, 403, 431, 503)
_WITH_BODY = (408,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of the contract.

    Attributes:
        id: Its operationId.
        method: HTTP method.
        path: Path after `PREFIX`.
        endpoint: Answers it; the first line of its docstring is the summary, the rest the
            description.
        scope: What the key must carry.
        answer: Model of the answer; None when it is no JSON.
        body: OpenAPI description of the request body.
        errors: Statuses besides those that every operation may answer.
        responses: OpenAPI descriptions of further answers.
    """

    id: str
    method: str
    path: str
    endpoint: Callable[..., Any]
    scope: Scope
    answer: type[BaseModel] | None = None
    body: Mapping[str, Any] | None = None
    errors: tuple[int, ...] = ()
    responses: Mapping[int | str, dict[str, Any]] = field(default_factory=dict)


def router_of(tag: str, operations: Sequence[Operation], access: Access) -> APIRouter:
    """The routes of a collection; key and scope are checked before anything else is looked at."""
    router = APIRouter(prefix=PREFIX, tags=[tag])
    for operation in operations:
        summary, _, description = (operation.endpoint.__doc__ or "").partition("\n")
        router.add_api_route(
            operation.path,
            operation.endpoint,
            methods=[operation.method],
            operation_id=operation.id,
            summary=summary.rstrip("."),
            description=inspect.cleandoc(description),
            response_model=operation.answer,
            responses=_responses(operation),
            dependencies=[access.needs(operation.scope), Depends(require_known_queries)],
            openapi_extra=dict(operation.body) if operation.body else None,
        )
    return router


def _responses(operation: Operation) -> dict[int | str, dict[str, Any]]:
    with_body = _WITH_BODY if operation.body else ()
    # By reference: FastAPI builds a validator for each model it is given, one a status and route.
    problem = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    refusals: dict[int | str, dict[str, Any]] = {
        status: {"content": problem, "description": _MEANINGS[status]}
        for status in sorted({*_EVERYWHERE, *operation.errors, *with_body})
    }
    # "default" also keeps FastAPI from announcing a 422 that we never send.
    other = {"content": problem, "description": "Any other refusal or failure."}
    return {**refusals, "default": other, **operation.responses}
