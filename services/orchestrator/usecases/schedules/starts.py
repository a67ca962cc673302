"""What a fire of a schedule starts: a run that is checked and admitted like any other."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from manifest.generation import GenerationInvalid
from orchestrator.domain.requests import RequestInvalid
from orchestrator.domain.schedules.schedule import Owner, Schedule, ScheduleWishes
from orchestrator.ports.schedules import Admission, AdmittedRun
from orchestrator.usecases.create_run import CheckedRun, CreateRun, RunDraft
from servicekit.caller import Caller
from servicekit.errors import Violation
from servicekit.ids import new_id


class ScheduledStarts:
    """Checks and admits runs of schedules."""

    def __init__(self, create_run: CreateRun, admission: Admission) -> None:
        self._create_run = create_run
        self._admission = admission

    async def check(self, caller: Caller, suite_id: str, wishes: ScheduleWishes) -> CheckedRun:
        """Return what a run that started now would be.

        Raises:
            RequestInvalid: as for a run, with paths below `run`.
            SuiteNotFound, SharedReadOnly, UnknownSuiteVersion: as for a run.
        """
        draft = _draft(suite_id, wishes, new_id("eval_run"))
        try:
            return await self._create_run.check(caller, draft)
        except (RequestInvalid, GenerationInvalid) as error:
            raise RequestInvalid(list(_below_run(error.violations))) from error

    async def admit(self, schedule: Schedule, owner: Owner) -> AdmittedRun:
        """Return a run that may start now, with `owner`'s key.

        Raises:
            ServiceError: it may not: as for `check`, or the key is no longer good, or the gateway
                is away.
        """
        caller = caller_of(owner)
        run_id = new_id("eval_run")
        checked = await self.check(caller, schedule.suite_id, schedule.wishes)
        token = await self._admission.admit(
            owner, schedule_id=schedule.id, run_id=run_id, request=checked.request
        )
        return AdmittedRun(
            run_id=run_id,
            caller=caller,
            request=checked.request,
            version=checked.version,
            token=token,
        )


def caller_of(owner: Owner) -> Caller:
    """Return the caller that background work for this owner is done for."""
    return Caller(
        org_id=owner.org_id,
        team_id=owner.team_id,
        key_id=owner.key_id,
        on_behalf_of=owner.on_behalf_of,
    )


def _draft(suite_id: str, wishes: ScheduleWishes, run_id: str) -> RunDraft:
    # The gateway has checked the types.
    run: dict[str, Any] = json.loads(wishes.run_json)
    concurrency = run.get("concurrency") or 0
    return RunDraft(
        run_id=run_id,
        suite_id=suite_id,
        suite_version=wishes.suite_version,
        models=run.get("models", []),
        task_ids=run.get("task_ids"),
        judge_model=run.get("judge_model"),
        embedding_model=run.get("embedding_model"),
        generation_json=json.dumps(run.get("generation", {})).encode(),
        generation_concurrency=run.get("generation_concurrency") or concurrency,
        grader_concurrency=run.get("grader_concurrency") or concurrency,
        max_samples_per_task=run.get("max_samples_per_task"),
        metadata={},
        run_token="",
    )


def _below_run(violations: Sequence[Violation]) -> Iterator[Violation]:
    for found in violations:
        message = found.message if found.path not in found.message else f"run.{found.message}"
        yield replace(found, path=f"run.{found.path}", message=message)
