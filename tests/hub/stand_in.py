r"""A hub on this machine: real HTTP that `huggingface_hub` and our own client take for the hub.

    with running_hub() as hub:
        commit = hub.add("team/set", {"train.jsonl": b'{"a": 1}\n'})   # a commit on `main`
        hub.add("team/set", {...}, revision="refs/convert/parquet")   # another branch
        hub.add("team/secret", {...}, private=True)
        hub.tokens["hf_good"] = {"team/secret"}       # what a token opens besides public things
        hub.trouble("/resolve/", status=503, times=2)  # the next two with that in their path
        hub.trouble("train.parquet", cut_at=1_000)     # its body breaks off behind so many bytes
        hub.trouble("/tree/", delay_s=3)               # answers late
    hub.trouble("/tree/", status=200, body=b"[1]", headers={"Link": "..."})  # says anything
        hub.down = True                                # drops every connection
        ...                                            # ask at hub.url
        hub.seen                                       # every request, with its token

What the hub keeps in git goes out by a relative redirect; large files (`.parquet`, or any of at
least `large_bytes`) by one to `hub.storage_url`, another host, which must never see a token. Lists
have `page_size` entries a page. A repository that is missing or private is 401 for nobody, 404 for
a token without access; `gated` ones are 403 then; unknown tokens are always 401.

As a process of its own it serves a folder: `python tests/hub/stand_in.py PORT FOLDER` takes each
`FOLDER/owner/name` for a repository.
"""

import hashlib
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path

if not __package__:  # started as a program
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hub.stand_in_http import StandInHandler, StorageHandler

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Seen:
    """A request: which of the two hosts got it, and with which token."""

    host: str  # `hub` or `storage`
    method: str
    path: str  # with its query
    token: str | None
    range: str | None = None


@dataclass(slots=True, kw_only=True)
class Trouble:
    """What goes wrong with the next `times` requests that have `part` in their path."""

    part: str
    times: int = 1
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"trouble"
    delay_s: float = 0.0
    cut_at: int | None = None


@dataclass(slots=True, kw_only=True)
class Repo:
    """A dataset repository: its commits with their files, and what branches point at."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    private: bool = False
    gated: bool = False

    def commit_of(self, revision: str) -> str | None:
        """Return the commit that a revision means; None for no revision."""
        commit = self.branches.get(revision, revision)
        return commit if commit in self.commits else None


class StandInHub:
    """See the module."""

    def __init__(self, url: str, storage_url: str) -> None:
        self.url = url
        self.storage_url = storage_url
        self.repos: dict[str, Repo] = {}
        self.moved: dict[str, str] = {}
        self.tokens: dict[str, set[str]] = {}
        self.stored: dict[str, bytes] = {}
        self.seen: list[Seen] = []
        self.down = False
        self.page_size = 1_000
        self.large_bytes = 10_000_000
        self._troubles: list[Trouble] = []
        self._lock = threading.Lock()

    def add(
        self,
        name: str,
        files: Mapping[str, bytes],
        *,
        revision: str = "main",
        private: bool = False,
        gated: bool = False,
    ) -> str:
        """Put a commit with exactly these files at a branch of a repository; return the commit."""
        repo = self.repos.setdefault(name, Repo())
        repo.private, repo.gated = private, gated
        number = str(len(repo.commits))
        commit = hashlib.sha1(f"{name} {number}".encode()).hexdigest()  # noqa: S324 - as git does
        repo.commits[commit] = dict(files)
        repo.branches[revision] = commit
        return commit

    def trouble(
        self,
        part: str,
        *,
        times: int = 1,
        status: int = 0,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"trouble",
        delay_s: float = 0.0,
        cut_at: int | None = None,
    ) -> None:
        """Let the next `times` requests go wrong that have `part` in their path; see `Trouble`."""
        planned = Trouble(
            part=part,
            times=times,
            status=status,
            headers=headers or {},
            body=body,
            delay_s=delay_s,
            cut_at=cut_at,
        )
        with self._lock:
            self._troubles.append(planned)

    def met(self, seen: Seen) -> Trouble | None:
        """Note a request and return what shall go wrong with it."""
        with self._lock:
            self.seen.append(seen)
            for trouble in self._troubles:
                if trouble.cut_at is not None and "/resolve/" in seen.path:
                    continue  # it has no body yet, only a redirect to one
                if trouble.times > 0 and trouble.part in seen.path:
                    trouble.times -= 1
                    return trouble
        return None

    def paths(self, part: str = "") -> list[str]:
        """Return the paths asked for so far that have `part` in them, with their queries."""
        with self._lock:
            return [seen.path for seen in self.seen if part in seen.path]


@contextmanager
def running_hub(*, port: int = 0) -> Iterator[StandInHub]:
    """Serve an empty hub and its storage in threads of this process until the block ends."""
    front = ThreadingHTTPServer((HOST, port), StandInHandler)
    storage = ThreadingHTTPServer((HOST, 0), StorageHandler)
    hub = StandInHub(
        f"http://{HOST}:{front.server_address[1]}", f"http://{HOST}:{storage.server_address[1]}"
    )
    threads = []
    for server in (front, storage):
        server.daemon_threads = True
        server.block_on_close = False
        server.hub = hub  # type: ignore[attr-defined]  # handlers find it at their server
        threads.append(threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True))
    for thread in threads:
        thread.start()
    try:
        yield hub
    finally:
        for server in (front, storage):
            server.shutdown()
            server.server_close()
        for thread in threads:
            thread.join()


def main(port: int, folder: Path) -> None:
    """Serve the repositories of a folder until the process is stopped."""
    with running_hub(port=port) as hub:
        for repo in sorted(folder.glob("*/*")):
            paths = [path for path in sorted(repo.rglob("*")) if path.is_file()]
            files = {path.relative_to(repo).as_posix(): path.read_bytes() for path in paths}
            hub.add(f"{repo.parent.name}/{repo.name}", files)
        sys.stdout.write(f"{hub.url}\n")
        sys.stdout.flush()
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
