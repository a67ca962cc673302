"""The HTTP of the hub stand-in; `stand_in.py` says how it is used."""

import hashlib
import json
import time
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

if TYPE_CHECKING:
    from hub.stand_in import Repo, StandInHub

_PIECE_BYTES = 64 * 1024


class _Refused(Exception):
    def __init__(self, status: int, code: str, message: str = "no") -> None:
        super().__init__(message)
        self.status, self.code = status, code


class _Handler(BaseHTTPRequestHandler):
    """What both hosts share: troubles, ranges, and an account of each request."""

    protocol_version = "HTTP/1.1"
    host_name = ""

    @property
    def hub(self) -> "StandInHub":
        found: StandInHub = self.server.hub  # type: ignore[attr-defined]  # put there by running_hub
        return found

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing; `hub.seen` has it."""

    def _serve(self) -> None:
        from hub.stand_in import Seen  # noqa: PLC0415 - each module needs the other

        self._cut_at: int | None = None
        trouble = self.hub.met(
            Seen(self.host_name, self.command, self.path, self.token(), self.headers.get("Range"))
        )
        if self.hub.down:
            self.close_connection = True
            return
        if trouble is not None:
            time.sleep(trouble.delay_s)
            self._cut_at = trouble.cut_at
            if trouble.status:
                self.answer(trouble.status, trouble.body, "text/plain", **trouble.headers)
                return
        try:
            self.route()
        except _Refused as refusal:
            body = json.dumps({"error": str(refusal)}).encode()
            headers = {"X-Error-Code": refusal.code, "X-Error-Message": str(refusal)}
            self.answer(refusal.status, body, "application/json", **headers)

    def route(self) -> None:
        raise NotImplementedError

    def token(self) -> str | None:
        sent = self.headers.get("Authorization")
        return sent.removeprefix("Bearer ") if sent else None

    def answer(self, status: int, body: bytes, kind: str, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        cut = self._cut_at is not None and self._cut_at < len(body)
        sent = body[: self._cut_at] if cut else body
        try:
            for start in range(0, len(sent), _PIECE_BYTES):
                self.wfile.write(sent[start : start + _PIECE_BYTES])
        except OSError:  # the caller had enough
            cut = True
        if cut:
            self.close_connection = True

    def answer_file(self, body: bytes, **headers: str) -> None:
        """Answer a file or the range of it that was asked for."""
        headers = {"Accept-Ranges": "bytes", "ETag": f'"{_oid(body)}"', **headers}
        kind = "application/octet-stream"
        asked = self.headers.get("Range", "")
        if not asked.startswith("bytes="):
            self.answer(200, body, kind, **headers)
            return
        first, _, last = asked.removeprefix("bytes=").partition("-")
        start, end = int(first), min(int(last) + 1 if last else len(body), len(body))
        if start >= len(body):
            self.answer(416, b"", kind, **{"Content-Range": f"bytes */{len(body)}"})
            return
        span = {"Content-Range": f"bytes {start}-{end - 1}/{len(body)}"}
        self.answer(206, body[start:end], kind, **headers, **span)


class StorageHandler(_Handler):
    """Where large files lie: opened by a signature in the address, never by a token."""

    host_name = "storage"

    def route(self) -> None:
        parts = urlsplit(self.path)
        body = self.hub.stored.get(parts.path.strip("/"))
        if body is None or "signature" not in parse_qs(parts.query):
            raise _Refused(403, "")
        self.answer_file(body)


class StandInHandler(_Handler):
    """The hub itself."""

    host_name = "hub"

    def route(self) -> None:
        parts = urlsplit(self.path)
        steps = [unquote(step) for step in parts.path.strip("/").split("/")]
        query = parse_qs(parts.query)
        match steps:
            case ["api", "resolve-cache", "datasets", *rest]:
                name, commit, path = _split(rest)
                self._file(name, commit, path, cached=True)
            case ["api", "datasets", *rest] if len(rest) > 1:
                self._api(rest, query)
            case ["datasets", *rest] if "resolve" in rest:
                name, rest = self._repo_of(rest, rest.index("resolve"))
                self._file(name, rest[0], "/".join(rest[1:]), cached=False)
            case _:
                raise _Refused(404, "")

    def _api(self, rest: list[str], query: dict[str, list[str]]) -> None:
        at = next((i for i, step in enumerate(rest) if step in ("tree", "revision")), len(rest))
        verb = rest[at] if at < len(rest) else "revision"
        name, behind = self._repo_of(rest, at)
        repo, commit = self._opened(name, behind[0] if behind else "main")
        if verb == "revision":
            self._info(name, repo, commit, query)
        else:
            self._tree(repo.commits[commit], "/".join(behind[1:]), query)

    def _repo_of(self, steps: list[str], at: int) -> tuple[str, list[str]]:
        name = "/".join(steps[:at])
        if name in self.hub.moved:
            raise _Moved(name, self.hub.moved[name])
        return name, steps[at + 1 :]

    def _opened(self, name: str, revision: str) -> "tuple[Repo, str]":
        token, repo = self.token(), self.hub.repos.get(name)
        if token is not None and token not in self.hub.tokens:
            raise _Refused(401, "", "Invalid credentials in Authorization header")
        has_access = token is not None and name in self.hub.tokens[token]
        if repo is None or (repo.private and not has_access):
            raise _Refused(404 if token else 401, "RepoNotFound", "Repository not found")
        if repo.gated and not has_access:
            raise _Refused(403 if token else 401, "GatedRepo", "Access is restricted")
        commit = repo.commit_of(revision)
        if commit is None:
            raise _Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return repo, commit

    def _info(self, name: str, repo: "Repo", commit: str, query: dict[str, list[str]]) -> None:
        told: dict[str, Any] = {"_id": "0", "id": name, "sha": commit}
        if "expand" not in query:
            siblings = [{"rfilename": path} for path in repo.commits[commit]]
            told |= {"private": repo.private, "gated": repo.gated, "siblings": siblings}
            told |= {"disabled": False, "downloads": 0, "likes": 0, "tags": []}
        self.answer(200, json.dumps(told).encode(), "application/json")

    def _tree(self, files: dict[str, bytes], folder: str, query: dict[str, list[str]]) -> None:
        recursive = query.get("recursive", ["false"])[0].lower() in ("true", "1")
        entries = self._entries(files, folder, recursive=recursive)
        if folder and not entries:
            raise _Refused(404, "EntryNotFound", f"{folder} does not exist")
        size = int(query.get("limit", [str(self.hub.page_size)])[0])
        start = int(query.get("cursor", ["0"])[0])
        headers = {}
        if start + size < len(entries):
            more = urlencode({**{k: v[0] for k, v in query.items()}, "cursor": start + size})
            headers["Link"] = f'<{self.hub.url}{urlsplit(self.path).path}?{more}>; rel="next"'
        page = json.dumps(entries[start : start + size]).encode()
        self.answer(200, page, "application/json", **headers)

    def _entries(
        self, files: dict[str, bytes], folder: str, *, recursive: bool
    ) -> list[dict[str, Any]]:
        prefix = f"{folder}/" if folder else ""
        found: dict[str, dict[str, Any]] = {}
        for path, body in files.items():
            if not path.startswith(prefix):
                continue
            steps = path.removeprefix(prefix).split("/")
            for depth in range(1, len(steps) if recursive else min(2, len(steps))):
                name = prefix + "/".join(steps[:depth])
                found[name] = {"type": "directory", "oid": _oid(name.encode()), "size": 0}
            if recursive or len(steps) == 1:
                found[path] = {"type": "file", "oid": _oid(body), "size": len(body)}
                if self._is_large(path, body):
                    digest = hashlib.sha256(body).hexdigest()
                    pointer = {"oid": digest, "size": len(body), "pointerSize": 130}
                    found[path]["lfs"] = pointer
        return [{**entry, "path": path} for path, entry in sorted(found.items())]

    def _file(self, name: str, revision: str, path: str, *, cached: bool) -> None:
        repo, commit = self._opened(name, revision)
        body = repo.commits[commit].get(path)
        if body is None:
            raise _Refused(404, "EntryNotFound", f"{path} does not exist")
        own = {"X-Repo-Commit": commit}
        if self._is_large(path, body):
            digest = hashlib.sha256(body).hexdigest()
            self.hub.stored[digest] = body
            where = f"{self.hub.storage_url}/{digest}?signature=abc&name={quote(path)}"
            linked = {"X-Linked-ETag": f'"{digest}"', "X-Linked-Size": str(len(body))}
            self.answer(302, b"", "text/plain", Location=where, **own, **linked)
        elif not cached:
            where = f"/api/resolve-cache/datasets/{quote(f'{name}/{commit}/{path}')}"
            linked = {"X-Linked-ETag": f'"{_oid(body)}"', "X-Linked-Size": str(len(body))}
            self.answer(307, b"", "text/plain", Location=where, **own, **linked)
        else:
            self.answer_file(body, **own)

    def _is_large(self, path: str, body: bytes) -> bool:
        return path.endswith(".parquet") or len(body) >= self.hub.large_bytes

    def _serve(self) -> None:
        try:
            super()._serve()
        except _Moved as moved:
            where = self.path.replace(f"datasets/{moved.old}", f"datasets/{moved.new}", 1)
            self.answer(307, b"", "text/plain", Location=where)


class _Moved(Exception):
    def __init__(self, old: str, new: str) -> None:
        super().__init__(old)
        self.old, self.new = old, new


def _split(steps: list[str]) -> tuple[str, str, str]:
    at = next(i for i, step in enumerate(steps) if len(step) == 40)  # the commit
    return "/".join(steps[:at]), steps[at], "/".join(steps[at + 1 :])


def _oid(body: bytes) -> str:
    return hashlib.sha1(body).hexdigest()  # noqa: S324 - as git does
