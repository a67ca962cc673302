"""What a program may ask of a model through `ctx`.

Checked on the host, where the program cannot reach.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from grader.domain.strict_json import Json

AUTO = "auto"
MODEL_CHARS_MAX = 256

# Fields of the upstream request bodies that a program may set. Left out: what would change how the
# bridge itself speaks (`extra_body`, `extra_headers`, `stream_options`) and what refers to other
# callers' stored objects (`conversation`, `prompt`).
_RESPONSE_FIELDS = frozenset(
    [
        "chat_template_kwargs",
        "do_sample",
        "frequency_penalty",
        "include",
        "input",
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "metadata",
        "min_p",
        "parallel_tool_calls",
        "prefill_think",
        "presence_penalty",
        "previous_response_id",
        "reasoning",
        "repetition_penalty",
        "seed",
        "service_tier",
        "stop",
        "store",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_k",
        "top_logprobs",
        "top_p",
        "truncation",
        "use_cache",
        "user",
    ]
)
_EMBEDDING_FIELDS = frozenset(["dimensions", "encoding_format", "input", "user"])
# Set by us whatever the program says; that it says so is no error.
_FORCED: Mapping[str, Json] = {"stream": False, "background": False}


class Method(StrEnum):
    """Ways to a model, by their names in `ctx`."""

    RESPONSES = "responses_create"
    EMBEDDINGS = "embeddings_create"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAccess:
    """What the programs of one grading may do.

    Whether at all, what `auto` means, how many calls an execution has.
    """

    allowed: bool
    judge_model: str | None
    embedding_model: str | None
    calls_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReply:
    """What came of a call: the answer's body, JSON, or an error as the program's side reads it."""

    body: bytes = b""
    error: Mapping[str, Json] = field(default_factory=dict)


class ModelsLost(Exception):
    """The way to models is gone or no longer ours to use.

    Our failure, not the model's and not the program's.
    """


CallModel = Callable[[Method, Mapping[str, Json], str], Awaitable[ModelReply]]
"""Make one model call for the sample with the given id; raises ModelsLost."""


class Refusal(Exception):
    """Why a call is not sent. `kind` is the exception that the program sees."""

    def __init__(self, *, kind: str, message: str, code: str = "") -> None:
        super().__init__(message)
        self.error: Mapping[str, Json] = {"type": kind, "message": message, "code": code}


def checked_body(
    access: ModelAccess, method: Method, body: Json, *, calls_made: int
) -> dict[str, Json]:
    """The request body to send for a call of a program that has made `calls_made` calls before.

    Raises:
        Refusal: no access, no calls left, no model for `auto`, or a field that may not be set.
    """
    if not access.allowed:
        raise Refusal(kind="PermissionError", message="this grader has no model access")
    if calls_made >= access.calls_max:
        raise Refusal(kind="RuntimeError", message="max_model_calls exceeded")
    if not isinstance(body, dict):
        raise Refusal(kind="ValueError", message="the request must be an object")
    fields = {
        name: value for name, value in body.items() if name != "model" and name not in _FORCED
    }
    allowed = _RESPONSE_FIELDS if method is Method.RESPONSES else _EMBEDDING_FIELDS
    unknown = sorted(fields.keys() - allowed)
    if unknown:
        names = ", ".join(name[:64] for name in unknown[:5])
        raise Refusal(kind="ValueError", message=f"these fields cannot be set: {names}")
    fields["model"] = _model(access, method, body.get("model", AUTO))
    if method is Method.RESPONSES:
        fields.update(_FORCED)
        fields.setdefault("store", False)
    return fields


def _model(access: ModelAccess, method: Method, model: Json) -> str:
    if not isinstance(model, str) or not 1 <= len(model) <= MODEL_CHARS_MAX:
        raise Refusal(
            kind="ValueError", message=f"model must be text of 1 to {MODEL_CHARS_MAX} characters"
        )
    if model != AUTO:
        return model
    is_response = method is Method.RESPONSES
    setting = "judge_model" if is_response else "embedding_model"
    chosen = access.judge_model if is_response else access.embedding_model
    if chosen is None:
        message = f"the run sets no {setting}, which model auto stands for"
        raise Refusal(kind="ValueError", message=message, code=f"{setting}_required")
    return chosen
