"""The bodies that report runs of agents and their trials."""

from collections.abc import Iterable
from typing import Annotated, Literal

import orjson
from pydantic import AfterValidator, BeforeValidator, Field, JsonValue

from gateway.inbound.rest.labels import Labels, label_problems
from manifest.problem import Problem
from manifest.section import RawObject, Section, WholeNumber, broken, listed

TRIALS_MAX = 1_000
RUN_TRIALS_MAX = 100_000
TEXT_CHARS_MAX = 1_000_000
SCORES_MAX = 100
DOCUMENT_BYTES_MAX = 64 * 1024
NAME_CHARS_MAX = 255
# Sums over all trials of a run stay whole numbers of 64 bits, and amounts that a double holds.
TOKENS_MAX = 10**12
COST_USD_MAX = 1_000_000_000
# The end of the year 2099; the orchestrator refuses what is in the future.
SECONDS_MAX = 4_102_444_799
_INT32_MAX = 2**31 - 1


def _few_scores(value: object) -> object:
    if isinstance(value, dict):
        if len(value) > SCORES_MAX:
            raise broken(f"may have at most {SCORES_MAX} metrics")
        if any(not 1 <= len(key) <= NAME_CHARS_MAX for key in value):
            raise broken(f"has a metric whose name has not 1 to {NAME_CHARS_MAX} characters")
    return value


def _short(document: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if len(orjson.dumps(document)) > DOCUMENT_BYTES_MAX:
        raise broken(f"may have at most {DOCUMENT_BYTES_MAX} bytes")
    return document


Name = Annotated[str, Field(min_length=1, max_length=NAME_CHARS_MAX)]
TrialText = Annotated[str, Field(max_length=TEXT_CHARS_MAX)]
TokenCount = Annotated[WholeNumber, Field(ge=0, le=TOKENS_MAX)]
Cost = Annotated[float, Field(ge=0, le=COST_USD_MAX, allow_inf_nan=False)]
Document = Annotated[dict[str, JsonValue], AfterValidator(_short)]
Scores = Annotated[
    dict[str, Annotated[float, Field(allow_inf_nan=False)]],
    Field(json_schema_extra={"maxProperties": SCORES_MAX}),
    BeforeValidator(_few_scores),
]
SampleIndex = Annotated[WholeNumber, Field(ge=0, le=_INT32_MAX)]
Ordinal = Annotated[WholeNumber, Field(ge=1, le=_INT32_MAX)]


class AgentTrial(Section):
    """One finished attempt of the agent at a task."""

    task_id: Name = Field(description="A task of the suite version.")
    sample_index: SampleIndex | None = Field(
        default=None, description="Unique for the task; default: the position in `trials`."
    )
    status: Literal["completed", "failed"] = Field(
        default="completed",
        description="`failed` is a trial that got no score; one with an `error` may be completed.",
    )
    prompt: TrialText = ""
    target: TrialText | None = None
    output_text: TrialText | None = Field(
        default=None, description="What decided the score, such as the verifier's output."
    )
    scores: Scores = Field(default_factory=dict)
    error: Document | None = Field(
        default=None, description="The exception that the trial recorded, shown as it is."
    )
    cost_usd: Cost | None = None
    input_tokens: TokenCount | None = None
    output_tokens: TokenCount | None = None
    cached_tokens: TokenCount | None = None
    reasoning_tokens: TokenCount | None = None
    phase_timings: Document | None = Field(
        default=None, description="Phase to `started_at` and `finished_at` (ISO 8601)."
    )


class AppendedTrial(AgentTrial):
    """A trial that is added to a run; it replaces one with the same task and index."""

    sample_index: SampleIndex = Field(description="Unique for the task.")


class ImportAgentRunBody(Section):
    """A run of an agent to record."""

    suite_id: Name
    agent_name: Name
    model: Name
    suite_version: Ordinal | None = Field(
        default=None, description="Default: the suite's active version."
    )
    agent_version: Name | None = None
    agent_effort: Name | None = None
    cost_usd: Cost | None = Field(
        default=None, description="Of the whole run; default: the sum over its trials."
    )
    created_at: Annotated[WholeNumber, Field(ge=0, le=SECONDS_MAX)] | None = Field(
        default=None, description="When the run happened, Unix seconds; default: now."
    )
    metadata: Labels = Field(default_factory=dict)
    idempotency_key: Name | None = Field(
        default=None, description="A repeated key answers the run that it recorded first."
    )
    trials: Annotated[list[AgentTrial], listed(most=TRIALS_MAX)] = Field(
        default_factory=list, json_schema_extra={"maxItems": TRIALS_MAX}
    )
    expected_trials: Annotated[WholeNumber, Field(ge=0, le=RUN_TRIALS_MAX)] | None = Field(
        default=None, description="How many trials there will be, as the total until then."
    )
    finalize: bool = Field(
        default=True, description="False leaves the run open, `in_progress`, for more trials."
    )

    @classmethod
    def broken_rules(cls, raw: RawObject) -> Iterable[Problem]:
        """Rules over labels."""
        return label_problems(raw)


class AppendAgentTrialsBody(Section):
    """Trials to add to an open run."""

    trials: Annotated[list[AppendedTrial], listed(most=TRIALS_MAX)] = Field(
        default_factory=list, json_schema_extra={"maxItems": TRIALS_MAX}
    )
    finalize: bool = Field(default=False, description="True completes the run with these trials.")
