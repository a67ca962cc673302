"""Who is calling: the key, its scope, the end user acted for."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Header, Request, Security
from fastapi.params import Depends as Dependency
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from gateway.domain.scopes import Scope
from gateway.usecases.authenticate import Authenticate
from servicekit.caller import Caller
from servicekit.errors import Kind, ServiceError

ON_BEHALF_OF = "X-On-Behalf-Of"
ON_BEHALF_OF_CHARS_MAX = 255

# Only for the documentation and the "Authorize" button; the header itself is read by Authenticate.
_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="apiKey",
    description="An API key of this installation: `prk_<id>_<secret>`.",
)


class OnBehalfOfInvalid(ServiceError):
    """The end user's id has characters or a length that cannot travel on."""

    kind = Kind.INVALID_ARGUMENT
    reason = "ON_BEHALF_OF_INVALID"


class Access:
    """Guards operations: each route names the scope it needs."""

    def __init__(self, authenticate: Authenticate) -> None:
        self._authenticate = authenticate

    def needs(self, scope: Scope) -> Dependency:
        """A route dependency that lets only keys with `scope` pass and notes the caller."""
        guard: Callable[..., Awaitable[None]] = self._guard_of(scope)
        dependency: Dependency = Depends(guard)
        return dependency

    def _guard_of(self, scope: Scope) -> Callable[..., Awaitable[None]]:
        async def guard(
            request: Request,
            _credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
            x_on_behalf_of: Annotated[
                str | None,
                Header(
                    alias=ON_BEHALF_OF,
                    description="Stable id of the end user the caller acts for.",
                    json_schema_extra={
                        "maxLength": ON_BEHALF_OF_CHARS_MAX,
                        "pattern": "^[ -~]*$",
                    },
                ),
            ] = None,
        ) -> None:
            key = await self._authenticate(request.headers.get("authorization"), scope)
            request.state.caller = Caller(
                org_id=key.org_id,
                team_id=key.team_id,
                key_id=key.id,
                on_behalf_of=_end_user(x_on_behalf_of),
                scopes=tuple(sorted(key.scopes)),
                request_id=request.state.request_id,
                is_org_admin=key.is_org_admin,
            )

        return guard


def _caller_of(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


CurrentCaller = Annotated[Caller, Depends(_caller_of)]
"""A route parameter: the caller whom the route's guard let pass."""


def _end_user(header: str | None) -> str:
    end_user = (header or "").strip()
    if len(end_user) > ON_BEHALF_OF_CHARS_MAX or not (
        end_user.isascii() and end_user.isprintable()
    ):
        raise OnBehalfOfInvalid(
            f"{ON_BEHALF_OF} takes at most {ON_BEHALF_OF_CHARS_MAX} printable ASCII characters",
            param=ON_BEHALF_OF,
        )
    return end_user
