"""A whole Proctor on this machine, as the end-to-end tests see it."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import httpx
from meetkai_mka1 import SDK

from hub.stand_in import StandInHub

ROOT = Path(__file__).resolve().parents[2]
PROCTOR = Path(sys.executable).with_name("proctor")
MOCK_UPSTREAM = ROOT / "tests" / "load" / "mock_upstream.py"
MOCK_SPEECH = ROOT / "tests" / "load" / "mock_speech.py"

# The provider key of these tests: it must be found nowhere but in the gateway's environment.
CANARY_KEY = "sk-canary-7f3a9c51e2b84d06"
# What the importer asks the hub for datasets with.
CANARY_HUB_TOKEN = "hf_canary_4e8d20b7a1c96f35"  # noqa: S105 - of a stand-in

# Where webhooks of tests listen; every other address of this machine stays out of reach.
RECEIVERS = "127.0.42.0/24"
# Where recordings of tests lie: among the addresses that tenants may name.
RECORDINGS = "127.0.42.7"

MODELS_TOML = """\
[providers.mock]
base_url = "{url}/v1"
api_key_env = "E2E_PROVIDER_KEY"

[models."adder"]
provider = "mock"
api = "responses"

[models."thinking"]
provider = "mock"
api = "responses"

[models."chat"]
provider = "mock"
api = "chat_completions"

[models."vectors"]
provider = "mock"
api = "embeddings"

[models."slow"]
provider = "slow"

[providers.slow]
base_url = "{slow_url}/v1"
api_key_env = "E2E_PROVIDER_KEY"

[models."moody"]
provider = "moody"

[providers.moody]
base_url = "{moody_url}/v1"
api_key_env = "E2E_PROVIDER_KEY"

[models."ears"]
provider = "speech"

[models."deaf"]
provider = "speech"

[models."whisper"]
provider = "speech"
api = "transcriptions"

[providers.speech]
base_url = "{speech_url}/v1"
api_key_env = "E2E_PROVIDER_KEY"
"""


@dataclass(frozen=True, slots=True)
class Upstream:
    """A mock model service in its own process."""

    url: str

    def calls(self) -> Counter[str]:
        """How often each prompt was asked, by any model."""
        told = httpx.get(f"{self.url}/__calls__").raise_for_status().json()
        asked: Counter[str] = Counter()
        for call in told["calls"]:
            asked[call["prompt"]] += call["count"]
        return asked


@dataclass(frozen=True, slots=True)
class Speech:
    """A mock transcription service in its own process, with recordings."""

    url: str

    def heard(self) -> list[dict[str, object]]:
        """The recordings that it was sent."""
        told: dict[str, list[dict[str, object]]] = (
            httpx.get(f"{self.url}/__heard__").raise_for_status().json()
        )
        return told["heard"]


@dataclass(frozen=True, slots=True)
class Stack:
    """A running Proctor and what `proctor up` said of it."""

    base_url: str
    api_key: str
    nats_url: str
    postgres_dsn: str
    state_dir: Path
    upstream: Upstream
    slow_upstream: Upstream
    hub: StandInHub
    speech: Speech

    def sdk(self) -> SDK:
        """The published client, unmodified."""
        return SDK(bearer_auth=self.api_key, server_url=self.base_url)

    def http(self) -> httpx.Client:
        """Plain HTTP for what the published client refuses to send."""
        return httpx.Client(
            base_url=f"{self.base_url}/api/v1/llm",
            headers={"authorization": f"Bearer {self.api_key}"},
            timeout=30,
        )

    def describe(self) -> dict[str, object]:
        """What `proctor status --json` says now."""
        return dict(json.loads(proctor("status", "--json", "--state", str(self.state_dir))))

    def pid(self, service: str) -> int:
        """Process id of a service as it runs now."""
        pids = self.describe()["pids"]
        assert isinstance(pids, dict)
        return int(pids[service])

    def kill(self, service: str) -> None:
        """SIGKILL a service and start it again."""
        os.kill(self.pid(service), signal.SIGKILL)
        proctor("restart", service, "--state", str(self.state_dir))


def proctor(*arguments: str, environment: dict[str, str] | None = None) -> str:
    """Standard output of a `proctor` command that must succeed."""
    done = run_proctor(*arguments, environment=environment)
    assert done.returncode == 0, f"proctor {arguments}: {done.stdout}\n{done.stderr}"
    return done.stdout


def run_proctor(
    *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A `proctor` command that may fail."""
    return subprocess.run(
        [str(PROCTOR), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **(environment or {})},  # noqa: TID251 (a child inherits it as in a shell)
    )


def start_upstream(
    *, latency_ms: int = 0, fail_rate: float = 0
) -> tuple[subprocess.Popen[str], Upstream]:
    """A model provider; it refuses the first call of that share of prompts."""
    options = ("--port", "0", "--latency-ms", str(latency_ms), "--fail-rate", str(fail_rate))
    process = subprocess.Popen(
        [sys.executable, str(MOCK_UPSTREAM), *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = json.loads(process.stdout.readline())
    return process, Upstream(url=f"http://127.0.0.1:{said['port']}")


def start_speech() -> tuple[subprocess.Popen[str], Speech]:
    """A provider of transcriptions that refuses each text once."""
    process = subprocess.Popen(
        [sys.executable, str(MOCK_SPEECH), "--host", RECORDINGS, "--refusals", "1"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = json.loads(process.stdout.readline())
    return process, Speech(url=str(said["base_url"]).removesuffix("/v1"))


def stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.communicate(timeout=10)
