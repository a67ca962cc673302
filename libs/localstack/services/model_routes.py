"""What the stack needs to know of models.toml; the gateway is who understands the rest."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from localstack.errors import LocalStackError

LOCAL_MODELS = Path(__file__).parent.parent / "models.toml"
LOCAL_MODEL_URL = "http://local-model"  # stands for the model server that the stack starts


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRoutes:
    """A models.toml as far as it concerns the stack.

    Attributes:
        path: where it was read from, absolute.
        text: its content.
        key_variables: environment variables that it names for provider keys.
        needs_local_model: whether a provider is the local model.
        needs_local_embeddings: whether the local model is asked for embeddings.
    """

    path: Path
    text: str
    key_variables: frozenset[str]
    needs_local_model: bool
    needs_local_embeddings: bool

    def with_local_model(self, base_url: str) -> str:
        """Return the content with the address of the local model filled in."""
        return self.text.replace(LOCAL_MODEL_URL, base_url)


def read_model_routes(path: Path | None) -> ModelRoutes:
    """Read models.toml; None reads the one of the local model.

    Raises:
        LocalStackError: it cannot be read or is not TOML.
    """
    path = (path or LOCAL_MODELS).absolute()
    try:
        text = path.read_text()
        tables = tomllib.loads(text)
    except OSError as error:
        message = f"the models file {path} cannot be read: {error.strerror}"
        raise LocalStackError(message) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LocalStackError(f"the models file {path} is not TOML: {error}") from error
    providers = _tables(tables.get("providers"))
    local = {
        name
        for name, provider in providers.items()
        if str(provider.get("base_url", "")).startswith(LOCAL_MODEL_URL)
    }
    models = _tables(tables.get("models")).values()
    variables = {
        str(provider["api_key_env"]) for provider in providers.values() if "api_key_env" in provider
    }
    return ModelRoutes(
        path=path,
        text=text,
        key_variables=frozenset(variables),
        needs_local_model=bool(local),
        needs_local_embeddings=any(
            model.get("provider") in local and model.get("api") == "embeddings" for model in models
        ),
    )


def _tables(value: object) -> dict[str, dict[str, object]]:
    """Return the tables in a table; what else is in there the gateway will complain about."""
    if not isinstance(value, dict):
        return {}
    return {name: table for name, table in value.items() if isinstance(table, dict)}
