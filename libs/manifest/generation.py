"""Settings of a run's candidate calls, and the upstream request they make."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue, ValidationError

from manifest.json_gate import open_json
from manifest.problem import Problem, to_violations
from manifest.section import RawObject, Section, Text, WholeNumber, broken, listed, problems_of
from servicekit.errors import Kind, ServiceError, Violation

GENERATION_BYTES_MAX = 1024 * 1024

# Events carry the settings as a protobuf Struct, which takes three messages for one level; protobuf
# reads at most a hundred inside each other.
GENERATION_DEPTH_MAX = 24

_ROOT = "generation"
_REASON = "INVALID_GENERATION"

# Ceilings of what is acted on, so that one sample cannot hold a run for ever; what the user gave is
# still echoed.
_TIMEOUT_SECONDS_MAX = 24 * 3600
_RETRIES_MAX = 100


class GenerationInvalid(ServiceError):
    """The generation settings break rules. `violations` has all of them."""

    kind = Kind.INVALID_ARGUMENT
    reason = _REASON

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__(violations[0].message, violations=violations, param=violations[0].path)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallControls:
    """How one model call is carried out.

    Attributes:
        timeout_s: Most time for one attempt.
        max_retries: Repeats after transport errors and the like.
        max_empty_retries: Repeats after an empty text.
    """

    timeout_s: int
    max_retries: int
    max_empty_retries: int


def _texts(value: object) -> object:
    if isinstance(value, str):
        return (value,)
    return value


def _text_or_bool(value: object) -> object:
    if not isinstance(value, bool | str):
        raise broken("must be true, false or text")
    return value


def _is_deeper(value: object, levels: int) -> bool:
    """Tell whether objects and lists stand in each other more than `levels` deep."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(entry, levels - 1) for entry in inner)


Count = Annotated[WholeNumber, Field(ge=0)]
Positive = Annotated[WholeNumber, Field(ge=1)]
Texts = Annotated[tuple[Text, ...], Field(strict=False), listed()]


class GenerationSettings(Section):
    """What a run sets for its candidate calls; every field is optional.

    Unknown keys are kept and echoed, never acted on.
    """

    model_config = ConfigDict(extra="allow")

    instructions: Text | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    max_output_tokens: Positive | None = None
    max_gen_toks: Positive | None = None
    stop: (
        Annotated[Texts, BeforeValidator(_texts, json_schema_input_type=Text | list[Text])] | None
    ) = None
    until: Texts | None = None
    max_tool_calls: Annotated[WholeNumber, Field(ge=1, le=300)] | None = None
    reasoning: JsonValue = None
    text: JsonValue = None
    tools: Annotated[list[JsonValue], listed()] | None = None
    tool_choice: JsonValue = None
    parallel_tool_calls: bool | None = None
    truncation: Literal["auto", "disabled"] | None = None
    service_tier: Literal["auto", "default", "flex", "priority"] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    top_k: WholeNumber | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    do_sample: bool | None = None
    extra_body: dict[str, JsonValue] | None = None
    chat_template_kwargs: dict[str, JsonValue] | None = None
    prefill_think: Annotated[bool | str | None, BeforeValidator(_text_or_bool)] = None
    use_cache: bool | None = None
    timeout_seconds: Positive | None = None
    max_retries: Count | None = None
    max_empty_retries: Count | None = None

    @classmethod
    def broken_rules(cls, raw: RawObject) -> Iterator[Problem]:
        """No setting is nested deeper than events can tell."""
        for key, value in raw.items():
            if _is_deeper(value, GENERATION_DEPTH_MAX - 1):
                predicate = f"is nested deeper than {GENERATION_DEPTH_MAX} levels"
                yield Problem((key,), _REASON, predicate)

    @property
    def controls(self) -> CallControls:
        """How each call is made: as set, else 120 s, 2 retries, 1 repeat of an empty text."""
        timeout_s = 120 if self.timeout_seconds is None else self.timeout_seconds
        retries = 2 if self.max_retries is None else self.max_retries
        empty_retries = 1 if self.max_empty_retries is None else self.max_empty_retries
        return CallControls(
            timeout_s=min(timeout_s, _TIMEOUT_SECONDS_MAX),
            max_retries=min(retries, _RETRIES_MAX),
            max_empty_retries=min(empty_retries, _RETRIES_MAX),
        )

    @property
    def stop_sequences(self) -> tuple[str, ...]:
        """`stop` and `until` together, each once; an empty text is left out: it would cut all."""
        return tuple(
            dict.fromkeys(text for text in (*(self.stop or ()), *(self.until or ())) if text)
        )

    def upstream_body(
        self, *, model: str, prompt: str, metadata: dict[str, str] | None = None
    ) -> dict[str, JsonValue]:
        """Return the body of POST /responses for one prompt (contract F.4).

        Execution controls and unknown keys are not in it; only fields that were set are.
        """
        body: dict[str, JsonValue] = {"model": model, "input": prompt}
        body |= {"stream": False, "background": False, "store": True}
        body |= self._upstream_fields
        if metadata is not None:
            body["metadata"] = dict(metadata)
        return body

    @cached_property
    def _upstream_fields(self) -> dict[str, JsonValue]:
        own = set(type(self).model_fields) - _NOT_SENT
        fields: dict[str, JsonValue] = self.model_dump(mode="json", include=own, exclude_none=True)
        output_tokens = self.max_output_tokens or self.max_gen_toks
        if output_tokens is not None:
            fields["max_output_tokens"] = output_tokens
        if self.stop_sequences:
            fields["stop"] = list(self.stop_sequences)
        return fields


_NOT_SENT = {"max_gen_toks", "until", "stop", "timeout_seconds", "max_retries", "max_empty_retries"}


def parse_generation(raw: bytes) -> GenerationSettings:
    """Read the `generation` object of a run; no bytes at all are an empty object.

    Raises:
        GenerationInvalid: with every problem, each with a path such as `generation.temperature`.
    """
    opened = open_json(raw or b"{}", reason=_REASON, bytes_max=GENERATION_BYTES_MAX)
    settings: GenerationSettings | None = None
    problems: list[Problem] = list(opened.problems)
    if opened.document is not None:
        try:
            settings = GenerationSettings.model_validate(opened.document)
        except ValidationError as error:
            problems.extend(problems_of(error, reason=_REASON))
    if settings is None or problems:
        raise GenerationInvalid(to_violations(_ROOT, problems))
    return settings
