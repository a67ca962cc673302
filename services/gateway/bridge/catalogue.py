"""Which model id goes to which provider, in which shape, with which additions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from gateway.bridge.call import CallFailed, Endpoint, invalid_request
from gateway.bridge.models_file import (
    CATCH_ALL,
    Api,
    ModelsFile,
    ModelsFileInvalid,
    ModelTable,
    ProviderTable,
    read_models_file,
)
from gateway.bridge.provider_keys import KeyUnusable, Scrubber, read_key
from servicekit.turns import Turns

ANY_FIELD = "*"

# What the models of each kind of upstream can be asked for.
_SERVED: Mapping[Api, frozenset[Endpoint]] = {
    "responses": frozenset({Endpoint.RESPONSES, Endpoint.TRANSCRIPTIONS}),
    "chat_completions": frozenset({Endpoint.RESPONSES, Endpoint.TRANSCRIPTIONS}),
    "embeddings": frozenset({Endpoint.EMBEDDINGS}),
    "transcriptions": frozenset({Endpoint.TRANSCRIPTIONS}),
}

# The optional fields of Chat Completions that OpenAI documents; plain servers may refuse others.
CHAT_FORWARD = frozenset(
    {
        "temperature", "top_p", "stop", "presence_penalty", "frequency_penalty", "seed",
        "logit_bias", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning",
        "service_tier", "user", "extra_body",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An HTTP service that serves models, with what this process needs to call it.

    Attributes:
        slots: One for each call that may be open at a time, held per attempt; teams take turns.
        scrubber: Takes the provider's key out of its answers.
    """

    name: str
    base_url: str
    key: SecretStr | None
    slots: Turns
    scrubber: Scrubber


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How calls of one model id reach their upstream.

    Attributes:
        forward: Request fields that are sent on; contains `*` when all are.
        defaults: Fields used where a request says nothing.
        transcription_path: Where recordings are sent, below the provider's base URL.
        extra_body: Fields put over every upstream body.
    """

    model: str
    upstream_model: str
    provider: Provider
    api: Api
    forward: frozenset[str]
    merge_extra_body: bool
    max_tokens_field: str = "max_tokens"
    transcription_path: str = ""
    defaults: Mapping[str, object] = field(default_factory=dict)
    extra_body: Mapping[str, object] = field(default_factory=dict)

    def forwards(self, name: str) -> bool:
        """True when the request field `name` is sent to the upstream."""
        return ANY_FIELD in self.forward or name in self.forward


class Catalogue:
    """Every model the operator named, ready to be looked up by id."""

    def __init__(self, file: ModelsFile, keys: Mapping[str, SecretStr | None]) -> None:
        self._providers = {
            name: _provider(name, table, keys[name]) for name, table in file.providers.items()
        }
        self._tables = dict(file.models)

    def route(self, model: str, endpoint: Endpoint) -> Route:
        """Return the way to `model` for calls of `endpoint`.

        Raises:
            CallFailed: `model_unknown`, or `invalid_request` when the model does not serve
                the endpoint.
        """
        table = self._tables.get(model) if model != CATCH_ALL else None
        if table is not None:
            if endpoint not in _SERVED[table.api]:
                raise invalid_request(f"model {model!r} does not serve {endpoint}")
            return _route(model, table, self._providers[table.provider])
        table = self._tables.get(CATCH_ALL)
        if table is None or model == CATCH_ALL:
            raise CallFailed("model_unknown", f"no provider is configured for model {model!r}")
        provider = self._providers[table.provider]
        # Behind the catch-all stands a whole provider, which has an operation for each endpoint.
        if endpoint is Endpoint.EMBEDDINGS:
            upstream_model = table.upstream_model if table.api == "embeddings" else None
            return _plain_embeddings(model, upstream_model or model, provider)
        if endpoint not in _SERVED[table.api]:
            raise invalid_request(f"model {model!r} does not serve {endpoint}")
        return _route(model, table, provider)


def load_catalogue(path: Path, environ: Mapping[str, str]) -> Catalogue:
    """Read models.toml at `path` and the keys it names.

    Raises:
        ModelsFileInvalid: the file or a key cannot be used; names every problem, never a key.
    """
    file = read_models_file(path)
    keys: dict[str, SecretStr | None] = {}
    problems = []
    for name, table in file.providers.items():
        try:
            keys[name] = read_key(name, table, environ)
        except KeyUnusable as error:
            problems.append(str(error))
    if problems:
        raise ModelsFileInvalid(path, problems)
    return Catalogue(file, keys)


def _provider(name: str, table: ProviderTable, key: SecretStr | None) -> Provider:
    return Provider(
        name=name,
        base_url=table.base_url,
        key=key,
        # What a provider takes is its own promise: nobody gets one more.
        slots=Turns(table.max_in_flight, patience_s=None),
        scrubber=Scrubber(key),
    )


def _route(model: str, table: ModelTable, provider: Provider) -> Route:
    chat = table.api == "chat_completions"
    forward = (CHAT_FORWARD if chat else {ANY_FIELD}) if table.forward is None else table.forward
    return Route(
        model=model,
        upstream_model=table.upstream_model or model,
        provider=provider,
        api=table.api,
        # What the operator set as a default is known to the upstream, so requests may set it too.
        forward=frozenset(forward) | table.defaults.keys(),
        merge_extra_body=chat if table.merge_extra_body is None else table.merge_extra_body,
        max_tokens_field=table.max_tokens_field,
        transcription_path=table.transcription_path
        or ("speech/transcriptions" if table.api == "responses" else "audio/transcriptions"),
        defaults=table.defaults,
        extra_body=table.extra_body,
    )


def _plain_embeddings(model: str, upstream_model: str, provider: Provider) -> Route:
    """Return a route without the catch-all's defaults, which are meant for text."""
    return Route(
        model=model,
        upstream_model=upstream_model,
        provider=provider,
        api="embeddings",
        forward=frozenset({ANY_FIELD}),
        merge_extra_body=False,
    )
