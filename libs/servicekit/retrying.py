"""Which calls gRPC may repeat by itself: unary questions whose second asking changes nothing."""

import importlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from google.protobuf.descriptor import FileDescriptor, MethodDescriptor

GENERATED_PACKAGE = "proctor"
IDEMPOTENT_PREFIXES = ("Get", "List", "BatchGet", "Check", "Resolve", "Renew")

_RETRY_POLICY = {
    "maxAttempts": 4,  # 0.1 + 0.2 + 0.4 s: outlives a lost connection, not a restart
    "initialBackoff": "0.1s",
    "maxBackoff": "1s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}


@cache
def service_config() -> str:
    """The gRPC service config of every channel, as JSON.

    It spreads calls over all addresses of the target and repeats idempotent ones. Names of methods
    cannot be patterns there, so they are listed from the generated code.
    """
    names = [
        {"service": method.containing_service.full_name, "method": method.name}
        for method in _methods()
        if is_idempotent(method)
    ]
    return json.dumps(
        {
            "loadBalancingConfig": [{"round_robin": {}}],
            "methodConfig": [{"name": names, "retryPolicy": _RETRY_POLICY}],
        }
    )


def is_idempotent(method: MethodDescriptor) -> bool:
    """Whether a second call of the method changes nothing: a unary one with such a name."""
    unary = not method.client_streaming and not method.server_streaming
    return unary and method.name.startswith(IDEMPOTENT_PREFIXES)


def _methods() -> Iterator[MethodDescriptor]:
    for descriptor in _service_files():
        for service in descriptor.services_by_name.values():
            yield from service.methods


def _service_files() -> Iterator[FileDescriptor]:
    generated = importlib.import_module(GENERATED_PACKAGE)
    # A folder that is on the path twice is listed twice, and gRPC refuses a method named twice.
    for root in sorted(set(map(Path, generated.__path__))):
        for path in sorted(root.rglob("*_service_pb2.py")):
            name = ".".join((GENERATED_PACKAGE, *path.relative_to(root).with_suffix("").parts))
            yield importlib.import_module(name).DESCRIPTOR
