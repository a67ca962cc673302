"""Store a run and answer at once; the work goes on in the background."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from manifest.generation import parse_generation
from orchestrator.domain import requests
from orchestrator.domain.history import imported_task_problems
from orchestrator.domain.ids import IdPrefix, is_id
from orchestrator.domain.model_needs import asking_graders, missing_models
from orchestrator.domain.run import Run, RunIdReused, RunRequest, UnknownSuiteVersion
from orchestrator.domain.suite import VersionRef
from orchestrator.ports.stores import Runs, Suites
from servicekit.caller import Caller
from servicekit.errors import Violation


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDraft:
    """A run as it is asked for; a concurrency of 0 takes the default."""

    run_id: str
    suite_id: str
    suite_version: int | None
    models: Sequence[str]
    task_ids: Sequence[str] | None
    judge_model: str | None
    embedding_model: str | None
    generation_json: bytes
    generation_concurrency: int
    grader_concurrency: int
    max_samples_per_task: int | None
    metadata: Mapping[str, str]
    run_token: str


@dataclass(frozen=True, slots=True)
class CheckedRun:
    """What a run is to be, and of which version."""

    request: RunRequest
    version: VersionRef


class CreateRun:
    """Creates runs.

    Args:
        generation_concurrency_max: Higher wishes are silently lowered to it.
        grader_concurrency_max: The same.
    """

    def __init__(
        self,
        runs: Runs,
        suites: Suites,
        *,
        generation_concurrency_max: int,
        grader_concurrency_max: int,
    ) -> None:
        self._runs = runs
        self._suites = suites
        self._generation_max = generation_concurrency_max
        self._grader_max = grader_concurrency_max

    async def __call__(self, caller: Caller, draft: RunDraft) -> Run:
        """Return the stored run; a run_id that was stored before returns that run.

        Raises:
            RequestInvalid: fields break rules, tasks are unknown, or a grader needs a model that
                the run does not set.
            GenerationInvalid: the generation settings break rules.
            SuiteNotFound: there is no such suite.
            SharedReadOnly: it is another organisation's.
            UnknownSuiteVersion: the suite has no such version.
            RunIdTaken: the id belongs to a run of another team.
            RunIdReused: the stored run was asked for otherwise.
        """
        checked = await self.check(caller, draft)
        run = await self._runs.add(
            caller, draft.run_id, checked.request, checked.version, draft.run_token
        )
        if not _was_asked(run, draft, checked.request):
            raise RunIdReused(run.id)
        return run

    async def check(self, caller: Caller, draft: RunDraft) -> CheckedRun:
        """Return what a run of this draft would be, without storing it.

        Raises:
            ServiceError: as for a call, but for what is wrong with the id.
        """
        requests.require(_problems(draft))
        parse_generation(draft.generation_json)
        version = await self._suites.find_version(caller, draft.suite_id, draft.suite_version)
        if version is None:
            raise UnknownSuiteVersion(draft.suite_id, draft.suite_version or 0)
        requests.require(requests.task_problems(draft.task_ids, version.task_ids))
        requests.require(await self._manifest_problems(caller, draft, version))
        return CheckedRun(self._request(draft), version)

    async def _manifest_problems(
        self, caller: Caller, draft: RunDraft, version: VersionRef
    ) -> Iterator[Violation]:
        stored = await self._suites.get_version(caller, version.suite_id, version.version)
        manifest_json = stored.content.manifest_json
        models = {"judge": draft.judge_model, "embedding": draft.embedding_model}
        sources = asking_graders(manifest_json, draft.task_ids) if not all(models.values()) else {}
        return chain(
            imported_task_problems(manifest_json, draft.task_ids),
            missing_models(sources, **models),
        )

    def _request(self, draft: RunDraft) -> RunRequest:
        generation = draft.generation_concurrency or requests.GENERATION_CONCURRENCY_DEFAULT
        grader = draft.grader_concurrency or requests.GRADER_CONCURRENCY_DEFAULT
        return RunRequest(
            models=draft.models,
            task_ids=draft.task_ids,
            judge_model=draft.judge_model,
            embedding_model=draft.embedding_model,
            generation_json=draft.generation_json or b"{}",
            generation_concurrency=min(generation, self._generation_max),
            grader_concurrency=min(grader, self._grader_max),
            max_samples_per_task=draft.max_samples_per_task,
            metadata=draft.metadata,
        )


def _was_asked(run: Run, draft: RunDraft, request: RunRequest) -> bool:
    # A version that was not named stays the one that was active then.
    same_version = draft.suite_version in (None, run.suite_version)
    return (
        run.suite_id == draft.suite_id and same_version and run.request.wishes() == request.wishes()
    )


def _problems(draft: RunDraft) -> Iterator[Violation]:
    if not is_id(draft.run_id, IdPrefix.RUN):
        yield Violation("run_id", "INVALID_RUN_ID", "run_id must be eval_run_ and 32 hex digits")
    yield from requests.model_problems(draft.models)
    yield from requests.helper_model_problems("judge_model", draft.judge_model)
    yield from requests.helper_model_problems("embedding_model", draft.embedding_model)
    yield from requests.concurrency_problems("generation_concurrency", draft.generation_concurrency)
    yield from requests.concurrency_problems("grader_concurrency", draft.grader_concurrency)
    yield from requests.cap_problems(draft.max_samples_per_task)
    yield from requests.label_problems(draft.metadata)
