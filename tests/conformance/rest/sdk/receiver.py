"""A receiver of webhooks, as somebody who is told of runs would write it."""

import hmac
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

HOST = "127.0.42.1"  # in RECEIVERS of e2e.stack


@dataclass(frozen=True)
class Told:
    """One POST that came in."""

    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def document(self) -> dict[str, Any]:
        """The body."""
        return dict(json.loads(self.raw))

    def is_signed_with(self, secret: str) -> bool:
        """As the documentation tells receivers to check it."""
        expected = hmac.new(secret.encode(), self.raw, "sha256").hexdigest()
        return hmac.compare_digest(expected, self.headers.get("x-webhook-signature", ""))


@dataclass
class Receiver:
    """What a receiver was told, and what it answers."""

    url: str
    told: list[Told] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def until(self, count: int, *, within_s: float = 60) -> list[Told]:
        """What it was told, once that is so much."""
        deadline = time.monotonic() + within_s
        while len(self.told) < count:
            assert time.monotonic() < deadline, f"told {len(self.told)} times only"
            time.sleep(0.05)  # a poll's pause
        return list(self.told)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that answers `statuses`, one after the other, and then 204."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.told.append(Told(self.path, headers, raw))
            self.send_response(receiver.statuses.pop(0) if receiver.statuses else 204)
            self.send_header("Location", f"{receiver.url}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    receiver = Receiver(f"http://{HOST}:{server.server_port}")
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)
