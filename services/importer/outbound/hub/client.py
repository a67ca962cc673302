"""The hub's dataset repositories: commits, lists of files, and their bytes."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote, urlencode

import httpx2
import orjson
from huggingface_hub import get_async_session, hf_hub_url
from huggingface_hub.errors import HFValidationError
from pydantic import SecretStr

from importer.domain.hub import (
    HubAnswerInvalid,
    HubFile,
    HubNotFound,
    is_commit,
    is_path,
    is_repo,
    is_revision,
)
from importer.outbound.hub.requests import Interrupted, Patience, Requests

PAGE_BYTES_MAX = 16 * 1024 * 1024  # a page holds 1,000 entries of some hundred bytes
PAGES_MAX = 10_000  # of one list; more files than any repository has
_FILE_BYTES_MAX = 2**50  # a promise of more is no file's length


class Hub:
    """The way to a hub.

    Args:
        endpoint: its address, such as `https://huggingface.co`.
        patience: how long it is waited for.
    """

    def __init__(self, endpoint: str, *, patience: Patience | None = None) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._patience = patience or Patience()

    @asynccontextmanager
    async def asked_as(self, token: SecretStr | None) -> AsyncIterator["HubSession"]:
        """The hub as whoever has this token sees it; None asks as anybody.

        Connections and cookies end with the block and are shared with nobody.
        """
        # The library's own client reads a token from the environment or a file nowhere.
        async with get_async_session() as client:
            client.follow_redirects = False  # it would hide where the token goes
            requests = Requests(
                client, endpoint=self._endpoint, token=token, patience=self._patience
            )
            yield HubSession(requests, endpoint=self._endpoint)


class HubSession:
    """What one caller can ask of the hub; use `Hub.asked_as`.

    Every call raises:
        HubForbidden: the token, or having none, does not give access.
        HubNotFound: no such repository, revision or file, or it is hidden from the caller.
        HubUnavailable: away, busy or too slow, after all retries.
        HubAnswerInvalid: an answer that cannot be used.
    """

    def __init__(self, requests: Requests, *, endpoint: str) -> None:
        self._requests = requests
        self._endpoint = endpoint

    async def commit(self, repo: str, revision: str) -> str:
        """Return the commit that a branch, tag or commit of a dataset repository is now."""
        # Without `expand` the answer lists every file of the repository.
        url = f"{self._api(repo)}/revision/{_revision(revision)}?expand=sha"
        body, _ = await self._requests.read(url, max_bytes=PAGE_BYTES_MAX)
        found = _parsed(body)
        commit = found.get("sha") if isinstance(found, dict) else None
        if not isinstance(commit, str) or not is_commit(commit):
            raise HubAnswerInvalid("the hub does not tell the commit of the revision")
        return commit

    async def files(
        self, repo: str, revision: str, *, folder: str = ""
    ) -> AsyncGenerator[HubFile, None]:
        """Yield the files in a folder (empty: all of the repository) and its folders.

        They come in the hub's order, page by page; who has enough closes the generator.
        """
        path = f"/{quote(_path(folder))}" if folder else ""
        query = urlencode({"recursive": "true", "expand": "false"})
        url: str | None = f"{self._api(repo)}/tree/{_revision(revision)}{path}?{query}"
        asked: set[int] = set()  # digests: addresses are as long as the hub likes
        while url is not None:
            if hash(url) in asked or len(asked) == PAGES_MAX:
                raise HubAnswerInvalid("the hub's list of files has no end")
            asked.add(hash(url))
            body, url = await self._requests.read(url, max_bytes=PAGE_BYTES_MAX)
            page = _parsed(body)
            if not isinstance(page, list):
                raise HubAnswerInvalid("the hub's list of files is not a list")
            for entry in page:
                if file := _file(entry):
                    yield file

    async def content(
        self, repo: str, revision: str, path: str, *, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of a file from `start` to before `end` (None: to its end).

        A download that breaks off goes on where it was; with an `end`, a shorter file is an error.
        """
        url = self._file_url(repo, revision, path)
        position, failures = start, 0
        while end is None or position < end:
            try:
                async with self._requests.opened(url, _range(position, end)) as response:
                    async for chunk in _from(response, position):
                        part = chunk if end is None else chunk[: end - position]
                        position, failures = position + len(part), 0
                        yield part
                        if position == end:
                            return
                _check_end(position, end)
            except Interrupted as interruption:
                failures += 1
                await self._requests.wait(failures, interruption)
            else:
                return

    def address(self, repo: str, revision: str) -> str:
        """Return where the files of a commit can be fetched, without a `/` at its end."""
        return f"{self._endpoint}/datasets/{_repo(repo)}/resolve/{_revision(revision)}"

    def _file_url(self, repo: str, revision: str, path: str) -> str:
        try:
            return hf_hub_url(
                _repo(repo),
                _path(path),
                repo_type="dataset",
                revision=_checked_revision(revision),
                endpoint=self._endpoint,
            )
        except HFValidationError:  # the library knows more names that are none
            raise HubNotFound("that is not the name of a repository") from None

    def _api(self, repo: str) -> str:
        return f"{self._endpoint}/api/datasets/{_repo(repo)}"


def _range(start: int, end: int | None) -> dict[str, str]:
    if start == 0 and end is None:
        return {}
    return {"range": f"bytes={start}-{'' if end is None else end - 1}"}


def _check_end(position: int, end: int | None) -> None:
    if end is not None:
        raise Interrupted(f"the file ended at byte {position}, not {end}")


async def _from(response: httpx2.Response, start: int) -> AsyncIterator[bytes]:
    """Yield the body's bytes from `start` on, also when the host does not know ranges."""
    skip = 0 if response.status_code == httpx2.codes.PARTIAL_CONTENT else start
    async for chunk in response.aiter_bytes():
        if skip >= len(chunk):
            skip -= len(chunk)
            continue
        yield chunk[skip:]
        skip = 0


def _file(entry: object) -> HubFile | None:
    if not isinstance(entry, dict) or entry.get("type") != "file":
        return None
    path, size_bytes = entry.get("path"), entry.get("size")
    if not isinstance(path, str) or not isinstance(size_bytes, int):
        raise HubAnswerInvalid("the hub lists a file without a path or size")
    if not 0 <= size_bytes <= _FILE_BYTES_MAX:
        raise HubAnswerInvalid("the hub lists a file of an impossible size")
    return HubFile(path=path, size_bytes=size_bytes)


def _parsed(body: bytes) -> object:
    try:
        parsed: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise HubAnswerInvalid("the hub's answer is not JSON") from None
    return parsed


def _repo(name: str) -> str:
    if not is_repo(name):  # an address made of it would leave the place the token is meant for
        raise HubNotFound("that is not the name of a repository")
    return name


def _checked_revision(name: str) -> str:
    if not is_revision(name):
        raise HubNotFound("that is not the name of a revision")
    return name


def _revision(name: str) -> str:
    return quote(_checked_revision(name), safe="")


def _path(path: str) -> str:
    if not is_path(path):
        raise HubNotFound("that is not the path of a file")
    return path
