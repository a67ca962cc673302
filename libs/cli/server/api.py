"""The REST API as a client sees it: JSON in and out, pages as streams, refusals as sentences."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import IO, Self

import httpx

from cli.errors import ApiError, CliError, Unreachable
from cli.server.resources import JsonObject, Page, Refusal

PREFIX = "/api/v1/llm"

# Uploads and large pages may take long; a server that says nothing for a minute is gone.
_TIMEOUT = httpx.Timeout(60, connect=5)
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_RETRY_STATUSES = frozenset({429, 502, 503, 504})

Params = Mapping[str, str | int | float | bool | None]


class Api:
    """Calls of one server with one key. Use as an async context manager.

    Args:
        base_url: Address of the server, with or without the path of the API.
        api_key: Sent as a bearer token.
        transport: Replaces the network in tests.
        patience_s: How long a GET is repeated while the server is away or busy.
        pause_s: Time between two such attempts.

    Raises:
        CliError: `base_url` is not an http or https address.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        patience_s: float = 0,
        pause_s: float = 0.5,
    ) -> None:
        self.base_url = base_url.rstrip("/").removesuffix(PREFIX)
        host = _host_of(self.base_url)
        self._patience_s = patience_s
        self._pause_s = pause_s
        self._client = httpx.AsyncClient(
            base_url=self.base_url + PREFIX,
            headers={"Authorization": f"Bearer {api_key}"},
            transport=transport,
            timeout=_TIMEOUT,
            # The environment may name a proxy, which knows nothing of this machine's loopback.
            trust_env=host not in _LOOPBACK,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def get(self, path: str, params: Params | None = None) -> JsonObject:
        """Return the object at `path`.

        Raises:
            ApiError: the server refused.
            Unreachable: no answer came within the patience.
        """
        waited_s = 0.0
        while True:
            try:
                return await self._call("GET", path, params=_present(params))
            except (Unreachable, ApiError) as error:
                passing = isinstance(error, Unreachable) or error.status in _RETRY_STATUSES
                if not passing or waited_s >= self._patience_s:
                    raise
            await asyncio.sleep(self._pause_s)
            waited_s += self._pause_s

    async def post(self, path: str, body: JsonObject | None = None) -> JsonObject:
        """Send `body`, or none, once and return the answer."""
        return await self._call("POST", path, json=body)

    async def delete(self, path: str) -> JsonObject:
        """Delete the object at `path`."""
        return await self._call("DELETE", path)

    async def entries(self, path: str, params: Params | None = None) -> AsyncIterator[JsonObject]:
        """Stream all entries of a list, page by page."""
        after: str | None = None
        while True:
            page = Page.of(await self.get(path, {**(params or {}), "after": after}))
            for entry in page.data:
                yield entry
            if not page.has_more or page.last_id is None:
                return
            after = page.last_id

    async def upload(self, path: Path, *, purpose: str) -> JsonObject:
        """Store a file under its name and return the file object.

        Raises:
            CliError: the file cannot be read.
        """
        try:
            with path.open("rb") as content:
                parts = {"file": (path.name, content)}
                return await self._call("POST", "/files", data={"purpose": purpose}, files=parts)
        except OSError as error:
            raise CliError(f"{path} cannot be read: {error.strerror}.") from error

    async def content(self, file_id: str) -> AsyncIterator[bytes]:
        """Stream the bytes of a file."""
        try:
            async with self._client.stream("GET", f"/files/{file_id}/content") as response:
                if response.is_error:
                    await response.aread()
                    raise _refusal(response)
                async for chunk in response.aiter_bytes():
                    yield chunk
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    async def _call(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str | int | float | bool] | None = None,
        json: JsonObject | None = None,
        data: dict[str, str] | None = None,
        files: Mapping[str, tuple[str, IO[bytes]]] | None = None,
    ) -> JsonObject:
        try:
            response = await self._client.request(
                method, path, params=params, json=json, data=data, files=files
            )
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        if response.is_error:
            raise _refusal(response)
        return self._object(response)

    def _object(self, response: httpx.Response) -> JsonObject:
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise CliError(f"{self.base_url} does not answer like a Proctor: not a JSON object.")
        return answer

    def _unreachable(self, error: httpx.HTTPError) -> Unreachable:
        if isinstance(error, httpx.ConnectError):
            sentence = f"Nothing answers at {self.base_url}; `proctor up` starts a local stack."
            return Unreachable(sentence)
        if isinstance(error, httpx.TimeoutException):
            return Unreachable(f"{self.base_url} did not answer in time.")
        return Unreachable(f"The connection to {self.base_url} broke: {error or type(error)}.")


def _host_of(base_url: str) -> str:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise CliError(f"{base_url} is not an address: {error}.") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise CliError(f"{base_url} is not an http or https address.")
    return url.host


def _present(params: Params | None) -> dict[str, str | int | float | bool]:
    return {key: value for key, value in (params or {}).items() if value is not None}


def _refusal(response: httpx.Response) -> ApiError:
    status = response.status_code
    try:
        error = Refusal.model_validate_json(response.content).error
    except ValueError:
        return ApiError(f"The server answered with status {status}.", status=status)
    if isinstance(error, str):
        return ApiError(error, status=status)
    problems = [problem.sentence for problem in error.details or ()]
    # Of several problems the message has the first, and the details have that one too.
    message = error.message
    if problems:
        message = problems[0] if len(problems) == 1 else f"{len(problems)} problems"
    return ApiError(
        f"{message} [{status} {error.reason}]",
        status=status,
        reason=error.reason,
        details=problems if len(problems) > 1 else (),
    )
