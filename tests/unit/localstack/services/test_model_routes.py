from pathlib import Path

import pytest

from localstack.errors import LocalStackError
from localstack.services.model_routes import read_model_routes

OUTSIDE = """
[providers.a]
base_url = "https://models.example.com/v1"
api_key_env = "A_KEY"
[providers.b]
base_url = "http://127.0.0.1:9/v1"
[models.m]
provider = "a"
"""

LOCAL_EMBEDDINGS = """
[providers.here]
base_url = "http://local-model/v1"
[models.vectors]
provider = "here"
api = "embeddings"
"""


def routes_file(folder: Path, text: str) -> Path:
    path = folder / "models.toml"
    path.write_text(text)
    return path


def test_without_a_file_the_local_model_is_used_twice() -> None:
    routes = read_model_routes(None)

    assert routes.needs_local_model
    assert not routes.needs_local_embeddings
    assert routes.key_variables == frozenset()
    assert '[models."smollm2-135m"]' in routes.text
    assert '[models."smollm2-135m-terse"]' in routes.text


def test_the_address_of_the_local_model_is_filled_in() -> None:
    text = read_model_routes(None).with_local_model("http://127.0.0.1:4711")

    assert 'base_url = "http://127.0.0.1:4711/v1"' in text
    assert "http://local-model" not in text


def test_a_file_without_the_local_model_names_its_keys_only(tmp_path: Path) -> None:
    routes = read_model_routes(routes_file(tmp_path, OUTSIDE))

    assert routes.key_variables == {"A_KEY"}
    assert not routes.needs_local_model
    assert routes.path.is_absolute()


def test_embeddings_of_the_local_model_are_noticed(tmp_path: Path) -> None:
    routes = read_model_routes(routes_file(tmp_path, LOCAL_EMBEDDINGS))

    assert routes.needs_local_model
    assert routes.needs_local_embeddings


@pytest.mark.parametrize("text", ["providers = 1", "[providers]\na = 1", "models = []", ""])
def test_what_the_gateway_will_refuse_is_left_to_it(tmp_path: Path, text: str) -> None:
    assert not read_model_routes(routes_file(tmp_path, text)).needs_local_model


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.toml", routes_file(tmp_path, "[[[")):
        with pytest.raises(LocalStackError, match=path.name):
            read_model_routes(path)
