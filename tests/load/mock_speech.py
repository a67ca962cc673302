"""A provider that writes down what is spoken, and a place where recordings lie.

    python tests/load/mock_speech.py [--host ADDRESS] [--port N] [--refusals N]

prints one JSON line with `base_url` when it listens, and stops on SIGTERM. It serves
POST /v1/speech/transcriptions, which takes the model and the like in the query, and
POST /v1/audio/transcriptions, which takes them in the form. The samples of a WAV file are taken for
the text that is spoken in it, in UTF-8. What is no WAV file, has another name or is larger than
25 MiB is refused; a model whose name has `deaf` in it misses the last word.

GET /audio/<text>.wav is such a recording, of as many bytes as `size` in the query says, /page.wav a
page of HTML, /large.wav one that is too large, /gone.wav none, /moved.wav a redirect to where `to`
in the query says.

GET /__heard__ tells the recordings so far: where, with which fields, and what was spoken.
"""

import argparse
import asyncio
import io
import signal
import sys
import wave
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

WAV_HEAD_BYTES = 44
SPEECH_BYTES_MAX = 25 * 1024 * 1024


@dataclass(kw_only=True)
class MockSpeech:
    """The provider's behaviour and what it heard.

    Attributes:
        refusals: How often each text is refused with 503 before it is written down.
        usage: What answers tell of tokens; None for nothing.
        released: Answers wait until it is set; None for at once.
        heard: The recordings that were sent.
    """

    refusals: int = 0
    usage: dict[str, object] | None = None
    released: asyncio.Event | None = None
    heard: list[dict[str, Any]] = field(default_factory=list)
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    fetched: Counter[str] = field(default_factory=Counter)
    in_flight_max: int = 0
    in_flight: int = 0

    def app(self) -> web.Application:
        """The provider as a web application."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/speech/transcriptions", self._transcribe)
        app.router.add_post("/v1/audio/transcriptions", self._transcribe)
        app.router.add_get("/audio/{text}.wav", self._recording)
        app.router.add_get("/page.wav", self._page)
        app.router.add_get("/large.wav", self._large)
        app.router.add_get("/moved.wav", self._moved)
        app.router.add_get("/__heard__", self._tell)
        return app

    async def _transcribe(self, request: web.Request) -> web.Response:
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        try:
            if self.released is not None:
                await self.released.wait()
            return await self._written_down(request)
        finally:
            self.in_flight -= 1

    async def _written_down(self, request: web.Request) -> web.Response:
        form = dict(await request.post())
        file = form.pop("file", None)
        in_form = {name: str(value) for name, value in form.items()}
        told = {**in_form, **request.query}
        if not isinstance(file, web.FileField) or "model" not in told:
            return _json({"error": {"message": "file and model are required"}}, status=400)
        content = file.file.read()
        try:
            text = spoken(content, filename=file.filename)
        except ValueError as error:
            return _json({"error": {"message": str(error)}}, status=400)
        self.heard.append(
            {
                "path": request.path,
                "query": dict(request.query),
                "form": in_form,
                "filename": file.filename,
                "content_type": file.content_type,
                "on_behalf_of": request.headers.get("X-On-Behalf-Of", ""),
                "size": len(content),
                "text": text,
            }
        )
        self.asked[told["model"], text] += 1
        if self.asked[told["model"], text] <= self.refusals:
            refusal = {"error": {"message": "overloaded", "type": "server_error"}}
            return _json(refusal, status=503)
        heard = text.rpartition(" ")[0] if "deaf" in told["model"] else text
        answer = {"text": heard, "language": told.get("language", "en"), "confidence": 0.9}
        return _json(answer | ({"usage": self.usage} if self.usage else {}))

    async def _recording(self, request: web.Request) -> web.Response:
        text = request.match_info["text"]
        self.fetched[text] += 1
        # What lies on a hub often has a type that says nothing.
        size = int(request.query.get("size", WAV_HEAD_BYTES)) - WAV_HEAD_BYTES
        content = recording(text, size=size)
        return web.Response(body=content, content_type="application/octet-stream")

    async def _page(self, _request: web.Request) -> web.Response:
        return web.Response(text="<html>Sign in</html>", content_type="text/html")

    async def _large(self, _request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(_request)
        for _ in range(26):
            await response.write(b"\0" * 1024 * 1024)
        return response

    async def _moved(self, request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": request.query["to"]})

    async def _tell(self, _request: web.Request) -> web.Response:
        return _json({"heard": self.heard})


def recording(text: str, *, size: int = 0) -> bytes:
    """A WAV file in which `text` is spoken, at least `size` bytes with the silence after it."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(text.encode().ljust(size, b"\0"))
    return content.getvalue()


def spoken(content: bytes, *, filename: str) -> str:
    """The text that is spoken in a WAV file; ValueError for what is none."""
    if not filename.endswith(".wav"):
        raise ValueError(f"{filename}: the format is not supported")
    if len(content) > SPEECH_BYTES_MAX:
        raise ValueError("the file is too large")
    try:
        with wave.open(io.BytesIO(content)) as file:
            frames: bytes = file.readframes(file.getnframes())
            return frames.rstrip(b"\0").decode()
    except (wave.Error, EOFError) as error:
        raise ValueError(f"the audio cannot be decoded: {error}") from error


@asynccontextmanager
async def serving(
    speech: MockSpeech, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[str]:
    """Serve on loopback inside the block; yields the base URL, which ends in /v1."""
    runner = web.AppRunner(speech.app(), access_log=None, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield f"http://{host}:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


def _json(content: object, *, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(content), status=status, content_type="application/json")


async def _main(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    speech = MockSpeech(refusals=arguments.refusals)
    async with serving(speech, host=arguments.host, port=arguments.port) as base_url:
        sys.stdout.write(orjson.dumps({"base_url": base_url}).decode() + "\n")
        sys.stdout.flush()
        await stop.wait()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A provider of transcriptions for tests.")
    parser.add_argument("--host", default="127.0.0.1", help="address of this machine")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--refusals", type=int, default=0, help="503s before a text is answered")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(_main(_arguments()))
