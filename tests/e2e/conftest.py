"""A whole Proctor on this machine, started as an operator would: `proctor up --detach --json`."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from e2e.stack import (
    CANARY_HUB_TOKEN,
    CANARY_KEY,
    MODELS_TOML,
    RECEIVERS,
    Stack,
    proctor,
    start_speech,
    start_upstream,
    stop,
)
from hub.stand_in import running_hub


@pytest.fixture(scope="session")
def start_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Stack]]:
    """Start a stack of its own; all are stopped at the end."""
    running: list[tuple[Path, list[subprocess.Popen[str]]]] = []
    hubs = ExitStack()

    def start() -> Stack:
        hub = hubs.enter_context(running_hub())
        hub.tokens[CANARY_HUB_TOKEN] = set()
        state = tmp_path_factory.mktemp("stack")
        quick, upstream = start_upstream()
        slow, slow_upstream = start_upstream(latency_ms=100)
        moody, moody_upstream = start_upstream(fail_rate=1)
        ears, speech = start_speech()
        running.append((state, [quick, slow, moody, ears]))
        models = state / "models.toml"
        urls = {"url": upstream.url, "slow_url": slow_upstream.url, "moody_url": moody_upstream.url}
        urls["speech_url"] = speech.url
        models.write_text(MODELS_TOML.format(**urls))
        said = json.loads(
            proctor(
                *("up", "--detach", "--json", "--state", str(state / "state")),
                *("--models", str(models)),
                environment={
                    "E2E_PROVIDER_KEY": CANARY_KEY,
                    "HF_ENDPOINT": hub.url,
                    "HF_TOKEN": CANARY_HUB_TOKEN,
                    "GATEWAY_REACHABLE_NETWORKS": RECEIVERS,
                    "GATEWAY_WEBHOOKS_OVER_HTTP": "true",
                },
            )
        )
        return Stack(
            base_url=said["base_url"],
            api_key=said["api_key"],
            nats_url=said["nats_url"],
            postgres_dsn=said["postgres_dsn"],
            state_dir=Path(said["state_dir"]),
            upstream=upstream,
            slow_upstream=slow_upstream,
            hub=hub,
            speech=speech,
        )

    yield start
    for state, processes in running:
        proctor("down", "--state", str(state / "state"))
        for process in processes:
            stop(process)
    hubs.close()


@pytest.fixture(scope="session")
def stack(start_stack: Callable[[], Stack]) -> Stack:
    """The stack that tests share as long as they leave it working."""
    return start_stack()
