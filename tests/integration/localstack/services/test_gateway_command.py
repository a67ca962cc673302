import json
from pathlib import Path

import pytest

from localstack.errors import LocalStackError
from localstack.services.gateway_command import list_models_file
from localstack.services.model_routes import read_model_routes

FILE = """
[providers.a]
base_url = "https://models.example.com/v1"
api_key_env = "A_KEY"
[models.m]
provider = "a"
"""


def test_models_are_listed_with_the_keys_of_the_given_environment(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_text(FILE)

    printed = list_models_file(read_model_routes(path), {"A_KEY": "sk-secret-of-the-test"})

    assert (json.loads(printed)["id"], json.loads(printed)["key_present"]) == ("m", True)
    assert "sk-secret" not in printed


def test_a_file_that_cannot_be_used_is_refused_with_its_problem(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_text('[models.m]\nprovider = "b"\n')

    with pytest.raises(LocalStackError, match=r"there is no \[providers.b\]"):
        list_models_file(read_model_routes(path), {})
