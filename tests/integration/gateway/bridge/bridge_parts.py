"""The bridge over a provider of the test's, without gRPC and without a database."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from gateway.bridge.asking import Asker
from gateway.bridge.budget import CallBudget
from gateway.bridge.call import Answer, CallFailed, Endpoint, ModelCall, Progress, Purpose
from gateway.bridge.calling import ModelCalls
from gateway.bridge.catalogue import load_catalogue
from gateway.bridge.metering import UsageMeter
from gateway.bridge.run_tokens import RunTokens
from gateway.bridge.speech.fetching import Recordings
from gateway.bridge.speech.requests import SpeechRequests
from gateway.bridge.upstream import Upstream
from gateway.domain.run_token import RunGrant, mint_run_token
from servicekit.clock import SystemClock, utc_now
from servicekit.public_web import Network, PublicWeb
from unit.gateway.backend.usage import MemoryUsage

SECRET = b"s" * 32
CANARY = "sk-canary-4f8a0b67c1d2"

MODELS = """
[providers.open]
base_url = "{url}"
api_key_env = "PROVIDER_KEY"
max_in_flight = {max_in_flight}

[models.small]
provider = "open"
[models.chat]
provider = "open"
api = "chat_completions"
upstream_model = "Chat-1"
[models.embed]
provider = "open"
api = "embeddings"
"""


def grant(**fields: object) -> RunGrant:
    given: dict[str, object] = {
        "run_id": "run_1",
        "org_id": "org_1",
        "team_id": "team_1",
        "candidates": ("small", "chat", "nowhere"),
        "judge": "small",
        "embedding": "embed",
    }
    return RunGrant(**given | fields)  # type: ignore[arg-type]  # fields vary by test


def token(**fields: object) -> str:
    return mint_run_token(grant(**fields), SECRET, now=utc_now())


class NoLedger:
    """Runs of these tests have no limit, so nobody asks it."""

    async def reserve(self, grant: RunGrant, *, most: int) -> int:
        raise AssertionError

    async def give_back(self, run_id: str, calls: int) -> None:
        raise AssertionError


@dataclass
class BridgeParts:
    """Makes calls, and notes the pauses that the bridge would have made."""

    calls: ModelCalls
    meter: UsageMeter
    usage: MemoryUsage
    pauses: list[float] = field(default_factory=list)
    progress: Progress = field(default_factory=Progress)

    async def ask(
        self, model: str = "small", *, body: Mapping[str, object] | None = None, **fields: object
    ) -> Answer:
        """Make one call; `fields` are those of ModelCall."""
        self.progress = Progress()
        given: dict[str, object] = {
            "run_token": token(),
            "purpose": Purpose.CANDIDATE,
            "endpoint": Endpoint.RESPONSES,
            "body_json": orjson.dumps({"model": model, "input": "2+2?", **(body or {})}),
            "max_retries": 0,
        }
        call = ModelCall(**given | fields)  # type: ignore[arg-type]  # fields vary by test
        return await self.calls.answer(call, self.progress)

    async def failure(self, model: str = "small", **options: object) -> CallFailed:
        """The failure of a call that must fail."""
        try:
            await self.ask(model, **options)  # type: ignore[arg-type]  # passed through
        except CallFailed as failure:
            return failure
        raise AssertionError("the call succeeded")


@asynccontextmanager
async def opened(
    base_url: str,
    folder: Path,
    *,
    max_in_flight: int = 64,
    max_response_bytes: int = 1_000_000,
    recordings_at_once: int = 4,
    reachable: Sequence[Network] = (),
) -> AsyncIterator[BridgeParts]:
    path = folder / "models.toml"
    path.write_text(MODELS.format(url=base_url, max_in_flight=max_in_flight), encoding="utf-8")
    clock = SystemClock()
    pauses: list[float] = []
    usage = MemoryUsage()
    meter = UsageMeter(usage)

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async with (
        Upstream.open(max_response_bytes=max_response_bytes, trust_env=False) as upstream,
        PublicWeb.open(reachable=reachable) as public,
    ):
        calls = ModelCalls(
            tokens=RunTokens(SECRET, clock),
            catalogue=load_catalogue(path, {"PROVIDER_KEY": CANARY}),
            budget=CallBudget(NoLedger(), chunk=1),
            meter=meter,
            asker=Asker(upstream, clock, pause=pause, chance=lambda: 1.0),
            speech=SpeechRequests(
                Recordings(public, pause=pause, chance=lambda: 1.0), at_once=recordings_at_once
            ),
            clock=clock,
        )
        yield BridgeParts(calls, meter, usage, pauses)
