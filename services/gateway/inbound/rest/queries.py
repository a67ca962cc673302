"""Query parameters: only those that the operation documents."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel

from gateway.inbound.rest.paths import path_of
from manifest.problem import VIOLATIONS_MAX
from servicekit.errors import Kind, ServiceError, Violation

# Comparing is dear; no parameter of ours is as long.
_NAME_CHARS_MAX = 64


class UnknownParameter(ServiceError):
    """The query has parameters that the operation does not know; a filter would not be applied."""

    kind = Kind.INVALID_ARGUMENT
    reason = "UNKNOWN_PARAMETER"


async def require_known_queries(request: Request) -> None:
    """Pass when the operation of the request knows all its query parameters.

    Raises:
        UnknownParameter: it does not; a violation for each one.
    """
    if not request.query_params:
        return
    route: APIRoute = request.scope["route"]
    known = list(_names_in(route.dependant))
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        violations = [_violation(name, known) for name in unknown[:VIOLATIONS_MAX]]
        raise UnknownParameter(violations[0].message, violations=violations)


def _names_in(dependant: Dependant) -> Iterator[str]:
    for field in dependant.query_params:
        model = field.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            yield from model.model_fields
        else:
            yield field.alias
    for further in dependant.dependencies:
        yield from _names_in(further)


def _violation(name: str, known: Sequence[str]) -> Violation:
    near = get_close_matches(name.lower()[:_NAME_CHARS_MAX], known, n=1)
    names = ", ".join(f"`{parameter}`" for parameter in known)
    takes = f"this operation takes {names}" if known else "this operation takes none"
    hint = f"did you mean `{near[0]}`?" if near else takes
    path = path_of((name,))
    return Violation(path, "UNKNOWN_PARAMETER", f"{path} is not a query parameter ({hint})")
