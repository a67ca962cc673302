"""The REST objects as far as this command looks at them; members it does not know are ignored."""

from typing import Self

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from cli.errors import CliError

JsonObject = dict[str, JsonValue]


class Resource(BaseModel):
    """Any JSON object of the API."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @classmethod
    def of(cls, answer: JsonObject) -> Self:
        """Read what a server answered.

        Raises:
            CliError: a member that this command needs is missing or has another type.
        """
        try:
            return cls.model_validate(answer)
        except ValidationError as error:
            member = ".".join(str(part) for part in error.errors()[0]["loc"])
            sentence = f"The server's answer is not a {cls.__name__.lower()}: see `{member}`."
            raise CliError(sentence) from None


class RequestCounts(Resource):
    """How many samples there are and how many ended; `total` is 0 until the run is prepared."""

    total: int = 0
    completed: int = 0
    failed: int = 0

    @property
    def ended(self) -> int:
        """Samples that need no more work."""
        return self.completed + self.failed


class TokenCounts(Resource):
    """Tokens of candidate calls; None where no provider reported any."""

    input: int | None = None
    output: int | None = None


class MetricValue(Resource):
    """One aggregated metric."""

    value: float | None = None
    count: int | None = None


class MetricBlock(Resource):
    """Results of one model, or of one model in one task."""

    score: float | None = None
    metrics: dict[str, MetricValue] = {}
    request_counts: RequestCounts = RequestCounts()
    tokens: TokenCounts = TokenCounts()


class RunMetrics(Resource):
    """Results of a finished run."""

    by_model: dict[str, MetricBlock] = {}
    by_task: dict[str, dict[str, MetricBlock]] = {}


class GraderUsage(Resource):
    """What graders asked models."""

    model_calls: int = 0
    tokens: TokenCounts = TokenCounts()


class Failure(Resource):
    """Why a run or a sample failed."""

    code: str = "unknown"
    message: str = ""


class Run(Resource):
    """One run."""

    id: str
    suite_id: str
    suite_version: int
    status: str
    models: list[str]
    request_counts: RequestCounts = RequestCounts()
    metrics: RunMetrics | None = None
    error: Failure | None = None
    grader_usage: GraderUsage | None = None

    @property
    def has_ended(self) -> bool:
        """True when its status will not change by itself any more."""
        return self.status in {"completed", "failed", "cancelled"}


class Sample(Resource):
    """One row of one task answered by one model."""

    id: str
    task_id: str
    model: str
    sample_index: int
    status: str
    target: str | None = None
    output_text: str | None = None
    extracted_output: str | None = None
    scores: dict[str, JsonValue] = {}
    error: Failure | None = None


class BoardRow(Resource):
    """What an agent reached with one model and effort."""

    agent_name: str
    agent_version: str | None = None
    agent_effort: str | None = None
    model: str
    accuracy: float | None = None
    accuracy_ci: dict[str, float] | None = None
    trials: int
    solved_trials: int
    failed_trials: int
    cost_usd: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    steps: int | None = None
    agent_seconds: float | None = None
    timed_trials: int
    run_count: int


class Suite(Resource):
    """A named series of manifest versions."""

    id: str
    name: str
    description: str | None = None
    active_version: int
    latest_version: int
    created_at: int
    org_id: str = ""
    access: str = "owner"


class SuiteShare(Resource):
    """An organisation that may read a suite."""

    org_id: str
    granted_by: str
    created_at: int


class Schedule(Resource):
    """Runs of a suite that start by the clock."""

    id: str
    name: str
    suite_id: str
    cron: str | None = None
    interval_seconds: int | None = None
    timezone: str
    enabled: bool
    last_run_id: str | None = None
    last_run_status: str | None = None
    last_error: Failure | None = None
    next_run_at: int | None = None


class SuiteVersion(Resource):
    """One manifest of a suite."""

    version: int


class File(Resource):
    """An uploaded file or an artifact."""

    id: str
    filename: str
    bytes: int
    purpose: str
    created_at: int
    sha256: str | None = None


class Artifacts(Resource):
    """The files of a finished run; None before."""

    result_file_id: str | None = None
    samples_file_id: str | None = None
    artifact_file_ids: list[str] = []


class Page(Resource):
    """One page of a list; the entries stay raw for printing."""

    data: list[JsonObject]
    has_more: bool = False
    last_id: str | None = None


class Problem(Resource):
    """One of several problems of a request."""

    message: str
    path: str = ""

    @property
    def sentence(self) -> str:
        """The message with its place, once."""
        return self.message if self.path in self.message else f"{self.path}: {self.message}"


class RefusalError(Resource):
    """What the server says about a refused request."""

    message: str
    reason: str = ""
    details: list[Problem] | None = None


class Refusal(Resource):
    """Body of an error answer; some gateways in front of a server send a bare sentence."""

    error: RefusalError | str
