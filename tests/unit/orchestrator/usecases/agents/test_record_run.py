import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.domain.agents.record import AgentRunDraft, KeyReused
from orchestrator.domain.metrics import Counts, GroupResult
from orchestrator.domain.requests import RequestInvalid
from orchestrator.domain.run import Run, UnknownSuiteVersion
from orchestrator.domain.run_states import RunState
from orchestrator.domain.suite import VersionRef
from orchestrator.domain.tokens import NO_TOKENS
from orchestrator.ports.agents import MetricsOf
from orchestrator.usecases.agents.complete_now import CompleteNow
from orchestrator.usecases.agents.record_run import RecordRun
from servicekit.caller import Caller
from unit.orchestrator.domain.agents.test_record import DRAFT
from unit.orchestrator.domain.agents.test_trial import TRIAL
from unit.orchestrator.usecases.agents.test_complete_now import CALLER, RUN

NOW = datetime(2026, 9, 21, tzinfo=UTC)
TASK = {
    "type": "qa",
    "dataset": {"file_id": "file_1", "format": "jsonl"},
    "prompt_template": "p",
    "target_template": "t",
    "grader": {"type": "python", "source": "def grade(sample, item):\n    return 0\n"},
}
MANIFEST = json.dumps({"tasks": [{**TASK, "id": "fix"}, {**TASK, "id": "write"}]}).encode()
VERSION = VersionRef(
    id="eval_sver_1", suite_id="eval_suite_1", version=1, task_ids=["fix", "write"]
)


@dataclass
class Store:
    """Suites with one version, and runs by their key."""

    by_key: dict[str, tuple[Run, str]] = field(default_factory=dict)
    added: list[AgentRunDraft] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)
    metrics: list[Any] = field(default_factory=list)
    faster: AgentRunDraft | None = None

    async def find_version(
        self, caller: Caller, suite_id: str, version: int | None
    ) -> VersionRef | None:
        del caller, suite_id
        return VERSION if version in (None, 1) else None

    async def get_version(self, caller: Caller, suite_id: str, version: int) -> Any:
        del caller, suite_id, version
        return SimpleNamespace(content=SimpleNamespace(manifest_json=MANIFEST))

    async def find(self, caller: Caller, idempotency_key: str) -> tuple[Run, str] | None:
        del caller
        return self.by_key.get(idempotency_key)

    async def add(
        self,
        caller: Caller,
        draft: AgentRunDraft,
        version: VersionRef,
        *,
        created_at: datetime,
        metrics_of: MetricsOf,
    ) -> Run | None:
        del caller, version
        if self.faster is not None:
            self.by_key[draft.idempotency_key] = (self._run(), self.faster.sha256())
            return None
        self.added.append(draft)
        self.times.append(created_at)
        counts = Counts(total=1, completed=1)
        group = GroupResult(task_id="fix", model=draft.model, counts=counts, tokens=NO_TOKENS)
        self.metrics.append(json.loads(metrics_of([group])))
        self.by_key[draft.idempotency_key] = (self._run(), draft.sha256())
        return self._run()

    def _run(self) -> Run:
        return replace(RUN, state=RunState.IN_PROGRESS)

    def recorder(self) -> RecordRun:
        store: Any = self

        async def finalize(run_id: str) -> None:
            raise AssertionError(run_id)

        clock = SimpleNamespace(utc_now=lambda: NOW)
        return RecordRun(store, store, CompleteNow(store, store, finalize), clock)


async def test_a_report_is_stored_once_for_its_key() -> None:
    store = Store()
    first = await store.recorder()(CALLER, DRAFT)

    assert await store.recorder()(CALLER, DRAFT) == first
    assert store.added == [DRAFT]


async def test_a_key_with_another_report_is_refused_by_the_field() -> None:
    store = Store()
    await store.recorder()(CALLER, DRAFT)

    with pytest.raises(KeyReused) as refused:
        await store.recorder()(CALLER, replace(DRAFT, model="other"))
    assert refused.value.metadata["param"] == "idempotency_key"


async def test_of_two_reports_at_once_the_slower_gets_the_run_of_the_faster() -> None:
    store = Store(faster=DRAFT)

    assert (await store.recorder()(CALLER, DRAFT)).id == RUN.id
    assert store.added == []
    with pytest.raises(KeyReused):
        await Store(faster=replace(DRAFT, model="other")).recorder()(CALLER, DRAFT)


async def test_without_a_time_a_run_happened_now() -> None:
    store = Store()
    await store.recorder()(CALLER, replace(DRAFT, created_at=None))
    await store.recorder()(CALLER, replace(DRAFT, created_at=NOW, idempotency_key=""))

    assert store.times == [NOW, NOW]


async def test_metrics_name_only_tasks_that_were_tried() -> None:
    store = Store()
    await store.recorder()(CALLER, DRAFT)

    assert list(store.metrics[0]["by_task"]) == ["fix"]


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"suite_version": 2}, UnknownSuiteVersion),
        ({"created_at": NOW + timedelta(days=1)}, RequestInvalid),
        ({"trials": [replace(TRIAL, task_id="typo")]}, RequestInvalid),
        ({"trials": [TRIAL, TRIAL]}, RequestInvalid),
        ({"metadata": {"k" * 65: ""}}, RequestInvalid),
    ],
    ids=["version", "time", "task", "place", "label"],
)
async def test_what_breaks_a_rule_is_not_stored(
    change: dict[str, Any], refusal: type[Exception]
) -> None:
    store = Store()

    with pytest.raises(refusal):
        await store.recorder()(CALLER, replace(DRAFT, **change))
    assert store.added == []
