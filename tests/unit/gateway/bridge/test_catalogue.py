from pathlib import Path

import pytest

from gateway.bridge.call import CallFailed, Endpoint
from gateway.bridge.catalogue import Catalogue, load_catalogue
from gateway.bridge.models_file import ModelsFileInvalid

FILE = """
[providers.local]
base_url = "http://127.0.0.1:8081/v1"
api_key_env = "LOCAL_API_KEY"
[providers.open]
base_url = "http://127.0.0.1:8082/v1"

[models.plain]
provider = "open"
[models.chat]
provider = "local"
api = "chat_completions"
upstream_model = "Chat-1"
[models.chat.defaults]
top_k = 40
[models.narrow]
provider = "local"
forward = ["temperature"]
[models.embed]
provider = "open"
api = "embeddings"
"""
CATCH_ALL = """
[models."*"]
provider = "open"
[models."*".defaults]
temperature = 0.0
"""


@pytest.fixture
def load(tmp_path: Path) -> "Load":
    return Load(tmp_path)


class Load:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "models.toml"

    def __call__(self, text: str, **environ: str) -> Catalogue:
        self.path.write_text(text, encoding="utf-8")
        return load_catalogue(self.path, {"LOCAL_API_KEY": "sk-local", **environ})


def refusal_of(catalogue: Catalogue, model: str, endpoint: Endpoint) -> str:
    with pytest.raises(CallFailed) as failure:
        catalogue.route(model, endpoint)
    return failure.value.code


def test_a_named_model_goes_to_its_provider(load: Load) -> None:
    route = load(FILE).route("chat", Endpoint.RESPONSES)

    assert route.provider.name == "local"
    assert route.provider.key is not None
    assert route.upstream_model == "Chat-1"
    assert route.api == "chat_completions"


def test_the_id_is_the_upstream_name_by_default(load: Load) -> None:
    assert load(FILE).route("plain", Endpoint.RESPONSES).upstream_model == "plain"


def test_a_provider_without_a_key_source_has_no_key(load: Load) -> None:
    assert load(FILE).route("plain", Endpoint.RESPONSES).provider.key is None


def test_models_of_one_provider_share_its_slots(load: Load) -> None:
    catalogue = load(FILE)

    chat = catalogue.route("chat", Endpoint.RESPONSES)
    narrow = catalogue.route("narrow", Endpoint.RESPONSES)

    assert chat.provider is narrow.provider


def test_an_unknown_model_is_refused_without_a_catch_all(load: Load) -> None:
    assert refusal_of(load(FILE), "other", Endpoint.RESPONSES) == "model_unknown"


def test_the_catch_all_takes_every_other_id(load: Load) -> None:
    route = load(FILE + CATCH_ALL).route("vendor/other", Endpoint.RESPONSES)

    assert (route.model, route.upstream_model) == ("vendor/other", "vendor/other")
    assert route.defaults == {"temperature": 0.0}


def test_the_catch_all_serves_embeddings_without_its_text_defaults(load: Load) -> None:
    route = load(FILE + CATCH_ALL).route("other", Endpoint.EMBEDDINGS)

    assert route.api == "embeddings"
    assert route.defaults == {}


def test_a_catch_all_for_embeddings_serves_no_text(load: Load) -> None:
    catalogue = load(FILE + '[models."*"]\nprovider = "open"\napi = "embeddings"\n')

    assert refusal_of(catalogue, "other", Endpoint.RESPONSES) == "invalid_request"
    assert catalogue.route("other", Endpoint.EMBEDDINGS).api == "embeddings"


def test_a_star_is_no_models_name(load: Load) -> None:
    assert refusal_of(load(FILE + CATCH_ALL), "*", Endpoint.RESPONSES) == "model_unknown"


def test_a_text_model_serves_no_embeddings_nor_the_other_way_round(load: Load) -> None:
    catalogue = load(FILE)

    assert refusal_of(catalogue, "chat", Endpoint.EMBEDDINGS) == "invalid_request"
    assert refusal_of(catalogue, "embed", Endpoint.RESPONSES) == "invalid_request"


def test_chat_upstreams_get_documented_fields_and_those_the_operator_defaults(load: Load) -> None:
    route = load(FILE).route("chat", Endpoint.RESPONSES)

    assert route.forwards("temperature")
    assert route.forwards("top_k")
    assert not route.forwards("min_p")


def test_responses_upstreams_get_every_field_unless_told_otherwise(load: Load) -> None:
    catalogue = load(FILE)

    assert catalogue.route("plain", Endpoint.RESPONSES).forwards("min_p")
    assert not catalogue.route("narrow", Endpoint.RESPONSES).forwards("min_p")


def test_every_missing_key_is_told_by_provider_and_variable(load: Load) -> None:
    text = FILE.replace('"http://127.0.0.1:8082/v1"', '"http://b/v1"\napi_key_env = "OPEN_KEY"')

    with pytest.raises(ModelsFileInvalid) as refusal:
        load(text, LOCAL_API_KEY="  ")

    assert refusal.value.problems == (
        "[providers.local] api_key_env: LOCAL_API_KEY is not set or is empty",
        "[providers.open] api_key_env: OPEN_KEY is not set or is empty",
    )


def test_a_provider_does_not_show_its_key(load: Load) -> None:
    provider = load(FILE).route("chat", Endpoint.RESPONSES).provider

    assert "sk-local" not in repr(provider)
