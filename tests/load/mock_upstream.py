"""A model provider that answers at once and the same each time, and counts who asked what.

    python tests/load/mock_upstream.py [--port N] [--latency-ms N] [--fail-rate 0.1]

prints one JSON line with `port` and `base_url` when it listens, and stops on SIGTERM. It serves
POST /v1/responses, /v1/chat/completions and /v1/embeddings. A prompt with `a + b`, `a - b` or
`a * b` in it is answered with the result of the last of them, one that starts with `say:` with what
follows, any other with a word made of its hash; a model whose name has `wrong` in it answers 'I do
not know.', one with `thinking` in it tells its reasoning, too (POST /v1/responses only).

GET /__calls__ tells the calls since the start or the last POST /__reset__: `total`, `failed`,
`in_flight_max`, and `calls`, a list of `model`, `prompt` and `count`. A call that was cut off is
counted too.
"""

import argparse
import asyncio
import contextlib
import hashlib
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import uvloop
from aiohttp import web

BODY_BYTES_MAX = 64 * 1024 * 1024
EMBEDDING_SIZE = 8
SAY = "say:"
REASONING = "I thought about it."
_SUM = re.compile(r"(-?\d+)\s*([-+*])\s*(-?\d+)")
_OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "+": int.__add__,
    "-": int.__sub__,
    "*": int.__mul__,
}


@dataclass(kw_only=True)
class MockUpstream:
    """The provider's behaviour and its counters.

    Attributes:
        latency_s: Time from the request to the answer.
        fail_rate: Share of prompts, from 0 to 1, whose first call is refused with 503.
    """

    latency_s: float = 0.0
    fail_rate: float = 0.0
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    failed: int = 0
    in_flight: int = 0
    in_flight_max: int = 0

    def app(self) -> web.Application:
        """The provider as a web application."""
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.router.add_post("/v1/responses", self._responses)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/embeddings", self._embeddings)
        app.router.add_get("/__calls__", self._tell)
        app.router.add_post("/__reset__", self._reset)
        return app

    async def _responses(self, request: web.Request) -> web.Response:
        body, prompt = await self._received(request)
        return await self._answer(body, prompt, _responses_answer)

    async def _chat(self, request: web.Request) -> web.Response:
        body, prompt = await self._received(request)
        return await self._answer(body, prompt, _chat_answer)

    async def _embeddings(self, request: web.Request) -> web.Response:
        body, prompt = await self._received(request)
        return await self._answer(body, prompt, _embeddings_answer)

    async def _received(self, request: web.Request) -> tuple[dict[str, Any], str]:
        body = orjson.loads(await request.read())
        prompt = _prompt(body)
        self.calls[body["model"], prompt] += 1
        return body, prompt

    async def _answer(
        self, body: dict[str, Any], prompt: str, answer: Callable[[dict[str, Any], str], object]
    ) -> web.Response:
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        try:
            if self.latency_s:
                await asyncio.sleep(self.latency_s)
        finally:
            self.in_flight -= 1
        if self.calls[body["model"], prompt] == 1 and _draw(prompt) < self.fail_rate:
            self.failed += 1
            refusal = {"error": {"message": "overloaded", "type": "server_error"}}
            return _json(refusal, status=503, headers={"retry-after-ms": "10"})
        return _json(answer(body, prompt))

    async def _tell(self, _request: web.Request) -> web.Response:
        calls = [
            {"model": model, "prompt": prompt, "count": count}
            for (model, prompt), count in self.calls.items()
        ]
        return _json(
            {
                "total": self.calls.total(),
                "failed": self.failed,
                "in_flight_max": self.in_flight_max,
                "calls": calls,
            }
        )

    async def _reset(self, _request: web.Request) -> web.Response:
        self.calls.clear()
        self.failed = 0
        self.in_flight_max = self.in_flight
        return _json({})


@asynccontextmanager
async def serving(upstream: MockUpstream, *, port: int = 0) -> AsyncIterator[str]:
    """Serve on loopback inside the block; yields the base URL, which ends in /v1."""
    runner = web.AppRunner(upstream.app(), access_log=None, handle_signals=False)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port, backlog=4096)
        await site.start()
        bound = runner.addresses[0][1]
        yield f"http://127.0.0.1:{bound}/v1"
    finally:
        await runner.cleanup()


def answer_text(model: str, prompt: str) -> str:
    """The text that `model` answers `prompt` with."""
    if "wrong" in model:
        return "I do not know."
    if prompt.startswith(SAY):
        return prompt.removeprefix(SAY)
    sums = _SUM.findall(prompt)
    if sums:
        left, operation, right = sums[-1]
        return str(_OPERATIONS[operation](int(left), int(right)))
    return f"mock-{_digest(prompt).hex()[:12]}"


def _prompt(body: dict[str, Any]) -> str:
    if "messages" in body:
        return "\n".join(str(message["content"]) for message in body["messages"])
    given = body.get("input", "")
    return given if isinstance(given, str) else orjson.dumps(given).decode()


def _responses_answer(body: dict[str, Any], prompt: str) -> object:
    text = answer_text(body["model"], prompt)
    identity = _digest(prompt).hex()[:24]
    content = {"type": "output_text", "text": text, "annotations": []}
    thoughts = [{"type": "summary_text", "text": REASONING}]
    reasoning = {"type": "reasoning", "id": f"rs_{identity}", "summary": thoughts}
    return {
        "id": f"resp_{identity}",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "completed",
        "model": body["model"],
        "output": [
            *([reasoning] if "thinking" in body["model"] else []),
            {
                "type": "message",
                "id": f"msg_{identity}",
                "role": "assistant",
                "status": "completed",
                "content": [content],
            },
        ],
        "usage": {
            "input_tokens": _tokens(prompt),
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": _tokens(text),
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": _tokens(prompt) + _tokens(text),
        },
    }


def _chat_answer(body: dict[str, Any], prompt: str) -> object:
    text = answer_text(body["model"], prompt)
    return {
        "id": f"chatcmpl-{_digest(prompt).hex()[:24]}",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": body["model"],
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": _tokens(prompt),
            "completion_tokens": _tokens(text),
            "total_tokens": _tokens(prompt) + _tokens(text),
        },
    }


def _embeddings_answer(body: dict[str, Any], prompt: str) -> object:
    given = body["input"] if isinstance(body["input"], list) else [body["input"]]
    return {
        "object": "list",
        "model": body["model"],
        "data": [
            {
                "object": "embedding",
                "index": index,
                "embedding": [byte / 255 for byte in _digest(str(entry))[:EMBEDDING_SIZE]],
            }
            for index, entry in enumerate(given)
        ],
        "usage": {"prompt_tokens": _tokens(prompt), "total_tokens": _tokens(prompt)},
    }


def _tokens(text: str) -> int:
    return len(text.split())


def _draw(prompt: str) -> float:
    return int.from_bytes(_digest(prompt)[:4]) / 2**32


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _json(
    content: object, *, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    return web.Response(
        body=orjson.dumps(content),
        status=status,
        headers=headers,
        content_type="application/json",
    )


async def _main(arguments: argparse.Namespace) -> None:
    upstream = MockUpstream(
        latency_s=arguments.latency_ms / 1000,
        fail_rate=arguments.fail_rate,
    )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serving(upstream, port=arguments.port) as base_url:
        port = int(base_url.rsplit(":", 1)[1].split("/")[0])
        sys.stdout.write(orjson.dumps({"port": port, "base_url": base_url}).decode() + "\n")
        sys.stdout.flush()
        await stop.wait()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A model provider for tests and benchmarks.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--fail-rate", type=float, default=0.0, help="from 0 to 1")
    return parser.parse_args()


if __name__ == "__main__":
    with (
        contextlib.suppress(KeyboardInterrupt),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as _runner,
    ):
        _runner.run(_main(_arguments()))
