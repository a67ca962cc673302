"""The bridge put together from its parts."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.bridge.asking import Asker
from gateway.bridge.budget import CallBudget
from gateway.bridge.budget_table import BudgetTable
from gateway.bridge.calling import ModelCalls
from gateway.bridge.catalogue import load_catalogue
from gateway.bridge.metering import UsageLedger, metering
from gateway.bridge.rpc import ModelBridgeRpc
from gateway.bridge.run_tokens import RunTokens
from gateway.bridge.speech.fetching import Recordings
from gateway.bridge.speech.requests import SpeechRequests
from gateway.bridge.upstream import Upstream
from pgstore.database import Database
from servicekit.clock import SystemClock
from servicekit.public_web import Network, PublicWeb


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeLimits:
    """What the operator may bound.

    Attributes:
        stream_max_in_flight: Most calls in flight on one caller's stream.
        max_response_bytes: Largest answer taken from an upstream. The caller gets its text and body
            in one gRPC message of at most 16 MiB.
        budget_chunk: Most calls of a run that this process reserves ahead.
        recordings_at_once: Recordings that are held at a time, each up to 50 MiB with its form.
        reachable_networks: Where recordings may be fetched besides the public Internet.
        trust_env_proxies: True reaches providers over the proxies that the environment names.
    """

    stream_max_in_flight: int = 2048
    max_response_bytes: int = 8 * 1024 * 1024
    budget_chunk: int = 256
    trust_env_proxies: bool = False
    recordings_at_once: int = 16
    reachable_networks: Sequence[Network] = ()


@asynccontextmanager
async def build_bridge(
    *,
    models_file: Path,
    environ: Mapping[str, str],
    database: Database,
    usage: UsageLedger,
    run_token_secret: bytes,
    limits: BridgeLimits,
) -> AsyncIterator[ModelBridgeRpc]:
    """Open the bridge; the service it yields is for an RpcServer, under SERVICE_NAME.

    Args:
        models_file: The operator's models.toml.
        environ: Where the provider keys are that it names by variable.
        database: The gateway's own schema, migrated.
        usage: Where the usage of graders is written.
        run_token_secret: Signs run tokens, 32 bytes or more.
        limits: The operator's bounds.

    Raises:
        ModelsFileInvalid: the models file or a key cannot be used; says every problem.
    """
    clock = SystemClock()
    catalogue = load_catalogue(models_file, environ)
    async with AsyncExitStack() as stack:
        ledger = BudgetTable(database)
        await ledger.forget_old()
        budget = CallBudget(ledger, chunk=limits.budget_chunk)
        stack.push_async_callback(budget.close)
        upstream = await stack.enter_async_context(
            Upstream.open(
                max_response_bytes=limits.max_response_bytes,
                trust_env=limits.trust_env_proxies,
            )
        )
        public = await stack.enter_async_context(
            PublicWeb.open(reachable=limits.reachable_networks)
        )
        tokens = RunTokens(run_token_secret, clock)
        calls = ModelCalls(
            tokens=tokens,
            catalogue=catalogue,
            budget=budget,
            meter=await stack.enter_async_context(metering(usage)),
            asker=Asker(upstream, clock),
            speech=SpeechRequests(Recordings(public), at_once=limits.recordings_at_once),
            clock=clock,
        )
        yield ModelBridgeRpc(calls, tokens, stream_max_in_flight=limits.stream_max_in_flight)
