"""Requests for upstreams that speak the callers' own shape: Responses and Embeddings."""

from collections.abc import Mapping

from gateway.bridge.call import invalid_request
from gateway.bridge.catalogue import Route

# Sent whatever `forward` says: without them it would be another question.
RESPONSES_CORE = frozenset({"input", "instructions", "max_output_tokens", "store"})
EMBEDDINGS_CORE = frozenset({"input", "dimensions", "encoding_format"})


def responses_request(body: Mapping[str, object], route: Route) -> dict[str, object]:
    """Return the body of POST /responses: one whole answer, kept upstream only where asked."""
    sent = _forwarded(body, route, RESPONSES_CORE)
    sent.setdefault("store", False)
    return sent | {"stream": False, "background": False}


def embeddings_request(body: Mapping[str, object], route: Route) -> dict[str, object]:
    """Return the body of POST /embeddings for `body`."""
    if not isinstance(body.get("input"), str | list):
        raise invalid_request("input must be a string or a list")
    return _forwarded(body, route, EMBEDDINGS_CORE)


def merged_extra_body(body: Mapping[str, object], route: Route) -> dict[str, object]:
    """Return the members of the request's `extra_body` that go into the upstream body.

    Raises:
        CallFailed: `invalid_request`, it is not an object.
    """
    extra = body.get("extra_body")
    if extra is None or not (route.merge_extra_body and route.forwards("extra_body")):
        return {}
    if not isinstance(extra, dict):
        raise invalid_request("extra_body must be an object")
    return extra


def _forwarded(body: Mapping[str, object], route: Route, core: frozenset[str]) -> dict[str, object]:
    merged = {**route.defaults, **body}
    sent = {name: value for name, value in merged.items() if name in core or route.forwards(name)}
    if route.merge_extra_body:
        sent.pop("extra_body", None)
        sent.update(merged_extra_body(merged, route))
    return {**sent, **route.extra_body, "model": route.upstream_model}
