"""The operator's models.toml: its shape, and every problem in it named by table and field.

Format, with defaults:

    [providers.local]
    base_url = "http://127.0.0.1:8081/v1"
    api_key_env = "LOCAL_API_KEY"      # or api_key_file; neither: no key is sent
    max_in_flight = 1024               # most calls at once from this process

    [models."smollm2-135m"]
    provider = "local"
    api = "responses"                  # responses | chat_completions | embeddings | transcriptions
    upstream_model = "SmolLM2"         # default: the id itself
    forward = ["temperature", "stop"]  # request fields that are sent on, ["*"] for every field;
                                       # default: to chat_completions those that OpenAI documents,
                                       # to the others every field
    max_tokens_field = "max_tokens"    # or max_completion_tokens; chat_completions only
    merge_extra_body = true            # put what is in a request's extra_body into the body itself;
                                       # default: true for chat_completions, else it stays a field
    transcription_path = "speech/transcriptions"  # where speech is written down, below base_url;
                                       # the default but for responses: "audio/transcriptions"
    input_cost_per_million = 0.0       # USD per million tokens
    output_cost_per_million = 0.0

    [models."smollm2-135m".defaults]   # used where a request says nothing
    temperature = 0.0
    [models."smollm2-135m".extra_body] # put over every request, whatever it says
    cache_prompt = true

    [models."*"]                       # every other id; left out, unknown models are refused
    provider = "local"
"""

import math
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

MAX_IN_FLIGHT = 1024  # above the concurrency of any one run, so only a named ceiling ever queues
CATCH_ALL = "*"

Api = Literal["responses", "chat_completions", "embeddings", "transcriptions"]
Name = Annotated[str, Field(min_length=1, max_length=256)]


class ModelsFileInvalid(Exception):
    """The models file cannot be used; one line a problem, and no value from the file."""

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        super().__init__("\n".join(f"{path}: {problem}" for problem in problems))
        self.problems = tuple(problems)


class _Table(BaseModel):
    # strict: "64" is not 64; hide_input: a key pasted into the wrong field must not reach a log.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class ProviderTable(_Table):
    """One `[providers.<name>]`."""

    base_url: str
    api_key_env: Name | None = None
    api_key_file: Name | None = None
    max_in_flight: int = Field(default=MAX_IN_FLIGHT, ge=1, le=65536)

    @field_validator("base_url")
    @classmethod
    def _is_plain_http(cls, value: str) -> str:
        url = urlsplit(value)
        if url.scheme not in {"http", "https"} or not url.hostname:
            raise ValueError("must be an http or https URL")
        if "@" in url.netloc or url.query or url.fragment:
            raise ValueError("must have no user, password, query or fragment")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _has_one_key_source(self) -> Self:
        if self.api_key_env and self.api_key_file:
            raise ValueError("api_key_env and api_key_file exclude each other")
        return self


class ModelTable(_Table):
    """One `[models.<id>]`."""

    provider: Name
    api: Api = "responses"
    upstream_model: Name | None = None
    forward: list[Name] | None = None
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    merge_extra_body: bool | None = None
    transcription_path: (
        Annotated[Name, Field(pattern=r"^[A-Za-z0-9_.~-]+(/[A-Za-z0-9_.~-]+)*$")] | None
    ) = None
    defaults: dict[str, Any] = Field(default_factory=dict)
    extra_body: dict[str, Any] = Field(default_factory=dict)
    input_cost_per_million: float | None = Field(default=None, ge=0)
    output_cost_per_million: float | None = Field(default=None, ge=0)


class ModelsFile(_Table):
    """The whole file: providers by name, models by id."""

    providers: dict[str, ProviderTable] = Field(default_factory=dict)
    models: dict[str, ModelTable] = Field(default_factory=dict)


def read_models_file(path: Path) -> ModelsFile:
    """Return what the file at `path` says.

    Raises:
        ModelsFileInvalid: it cannot be read, is not TOML, or has a wrong or unknown field; names
            every problem.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelsFileInvalid(path, [f"cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ModelsFileInvalid(path, ["is not UTF-8"]) from error
    except tomllib.TOMLDecodeError as error:
        raise ModelsFileInvalid(path, [f"is not TOML: {error}"]) from error
    try:
        file = ModelsFile.model_validate(content)
    except ValidationError as error:
        # No cause: pydantic's own text may quote the file.
        raise ModelsFileInvalid(path, _problems_of(error)) from None
    problems = [
        f'[models."{model}"] provider: there is no [providers.{table.provider}]'
        for model, table in file.models.items()
        if table.provider not in file.providers
    ] + _json_problems(file.models)
    if problems:
        raise ModelsFileInvalid(path, problems)
    return file


def _problems_of(error: ValidationError) -> list[str]:
    problems = []
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        table, field = _place(tuple(str(part) for part in problem["loc"]))
        unknown = problem["type"] == "extra_forbidden"
        message = "unknown field" if unknown else problem["msg"].removeprefix("Value error, ")
        problems.append(": ".join(part for part in (f"{table} {field}".strip(), message) if part))
    return problems


def _place(location: tuple[str, ...]) -> tuple[str, str]:
    match location:
        case ("models", model, *rest):
            return f'[models."{model}"]', ".".join(rest)
        case ("providers", provider, *rest):
            return f"[providers.{provider}]", ".".join(rest)
    return "", ".".join(location)


def _json_problems(models: Mapping[str, ModelTable]) -> list[str]:
    return [
        f'[models."{model}"] {name}.{key}: JSON has no such value (dates, inf and nan)'
        for model, table in models.items()
        for name, section in (("defaults", table.defaults), ("extra_body", table.extra_body))
        for key, value in section.items()
        if not _is_json(value)
    ]


def _is_json(value: object) -> bool:
    if isinstance(value, dict):
        return all(_is_json(entry) for entry in value.values())
    if isinstance(value, list):
        return all(_is_json(entry) for entry in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str | int)
