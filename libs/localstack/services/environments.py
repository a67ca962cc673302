"""What each service is told: its whole environment, and nothing of the caller's by accident."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from localstack.ports import LOOPBACK
from localstack.stack.folder import StateFolder

# How to reach the outside: the gateway calls model providers there, the importer the hub.
_OUTSIDE = frozenset(
    {
        "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
        "http_proxy", "https_proxy", "no_proxy", "all_proxy",
        "SSL_CERT_FILE", "SSL_CERT_DIR", "GATEWAY_REACHABLE_NETWORKS",
        "GATEWAY_WEBHOOKS_OVER_HTTP",
    }
)  # fmt: skip
_GRADER_PREFIX = "GRADER_"
_IMPORTER_PREFIX = "IMPORTER_"
_HUB = frozenset({"HF_ENDPOINT", "HF_TOKEN"})
_PLAIN = {"PATH": os.defpath, "LANG": "C.UTF-8", "TZ": "UTC"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the parts of a stack listen, and how services get into Postgres and NATS.

    Attributes:
        http: REST.
        rpc: gRPC of each service by name.
        dsns: Postgres of each service that has a schema.
        nats_url: with user and password.
        models_file: path of the gateway's models.toml.
    """

    http: str
    rpc: Mapping[str, str]
    dsns: Mapping[str, str]
    nats_url: str
    models_file: str


def service_environments(
    folder: StateFolder,
    addresses: Addresses,
    *,
    outside: Mapping[str, str],
    caller: Mapping[str, str],
) -> dict[str, dict[str, str]]:
    """Return the environment of each service by name.

    `outside` goes to the gateway alone. Of the caller's own environment, what speaks of graders
    goes to the grader: how much of the machine it may take, and which libraries it offers; what
    speaks of the hub and of imports goes to the importer.
    """
    rpc, dsns = addresses.rpc, addresses.dsns
    blob_url = f"file://{folder.blobs}"
    told = {
        "importer": {
            "POSTGRES_DSN": dsns["importer"],
            "BLOB_URL": blob_url,
            "ORCHESTRATOR_ADDRESS": rpc["orchestrator"],
        },
        "grader": {"BRIDGE_ADDRESS": rpc["gateway"]},
        "orchestrator": {
            "POSTGRES_DSN": dsns["orchestrator"],
            "NATS_URL": addresses.nats_url,
            "BLOB_URL": blob_url,
            "GRADER_ADDRESS": rpc["grader"],
            "IMPORTER_ADDRESS": rpc["importer"],
            "BRIDGE_ADDRESS": rpc["gateway"],
        },
        "gateway": {
            "HTTP_ADDRESS": addresses.http,
            "POSTGRES_DSN": dsns["gateway"],
            "KEY_PEPPER": folder.secret("key-pepper"),
            "RUN_TOKEN_SECRET": folder.secret("run-token"),
            "MODELS_FILE": addresses.models_file,
            "ORCHESTRATOR_ADDRESS": rpc["orchestrator"],
            "IMPORTER_ADDRESS": rpc["importer"],
            "NATS_URL": addresses.nats_url,
        },
    }
    environments = {
        name: _PLAIN | _prefixed(name, {**_common(folder, rpc[name]), **settings})
        for name, settings in told.items()
    }
    environments["gateway"] = {**outside, **environments["gateway"]}
    environments["grader"] = {**_of_graders(caller), **environments["grader"]}
    environments["importer"] = {**_of_imports(caller), **environments["importer"]}
    return environments


def lone_grader_environment(
    settings: Mapping[str, str],
    *,
    secret: str,
    defaults: Mapping[str, str],
    outside: Mapping[str, str],
) -> dict[str, str]:
    """Return the environment of a grader without a stack.

    `outside` goes before the `defaults`, as far as it speaks of graders; `settings` go before it.
    """
    own = _of_graders(outside)
    ours = {**settings, "INTERNAL_SECRET": secret, "LOG_LEVEL": "warning", "LOG_JSON": "true"}
    return _PLAIN | _prefixed("grader", defaults) | own | _prefixed("grader", ours)


def for_the_gateway(
    environment: Mapping[str, str], key_variables: frozenset[str]
) -> dict[str, str]:
    """Pick from the caller's environment what the gateway may see."""
    return {
        name: value
        for name, value in environment.items()
        if name in key_variables or name in _OUTSIDE
    }


def loopback(port: int) -> str:
    """Return `host:port` on the loopback address."""
    return f"{LOOPBACK}:{port}"


def _common(folder: StateFolder, rpc_address: str) -> dict[str, str]:
    return {
        "RPC_ADDRESS": rpc_address,
        "INTERNAL_SECRET": folder.secret("internal"),
        "LOG_LEVEL": "info",
        "LOG_JSON": "true",
    }


def _of_graders(caller: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in caller.items() if name.startswith(_GRADER_PREFIX)}


def _of_imports(caller: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in caller.items()
        if name.startswith(_IMPORTER_PREFIX) or name in _HUB | _OUTSIDE
    }


def _prefixed(service: str, settings: Mapping[str, str]) -> dict[str, str]:
    return {f"{service.upper()}_{name}": value for name, value in settings.items()}
