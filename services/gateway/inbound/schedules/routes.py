"""The collection /evals/schedules: runs that start by the clock."""

from collections.abc import Collection
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Query, Request
from google.protobuf.field_mask_pb2 import FieldMask

from gateway.inbound.resources.runs import RunList, RunStatusFilter, run_object, run_state
from gateway.inbound.resources.schedules import (
    ScheduleDeleted,
    ScheduleList,
    ScheduleObject,
    schedule_object,
)
from gateway.inbound.rest.access import Access, CurrentCaller
from gateway.inbound.rest.asking import WRITE_S, ask, ask_while_connected
from gateway.inbound.rest.bodies import json_body
from gateway.inbound.rest.operations import router_of
from gateway.inbound.rest.paging import LIMIT_DEFAULT, After, Limit, page_request
from gateway.inbound.schedules.body import (
    CreateScheduleBody,
    UpdateScheduleBody,
    fields_of,
    mask_of,
)
from gateway.inbound.schedules.operations import operations_of
from gateway.inbound.suites import ORDINAL_MAX
from gateway.ports import GraderUsage
from gateway.usecases.admit_scheduled_run import AdmitScheduledRuns
from proctor.runs.v1 import run_pb2, run_service_pb2
from proctor.schedules.v1 import schedule_service_pb2 as pb
from servicekit.errors import Kind, ServiceError
from servicekit.ids import new_id
from servicekit.public_web import UrlRefused, require_url

if TYPE_CHECKING:  # these classes are in the stubs only
    from proctor.runs.v1.run_service_pb2_grpc import RunServiceAsyncStub
    from proctor.schedules.v1.schedule_service_pb2_grpc import ScheduleServiceAsyncStub


class EnabledFilter(StrEnum):
    """What a list of schedules can be narrowed to."""

    TRUE = "true"
    FALSE = "false"


class WebhookUrlInvalid(ServiceError):
    """Nothing is sent to such a URL."""

    kind = Kind.INVALID_ARGUMENT
    reason = "INVALID_WEBHOOK_URL"


class SuiteOfAnotherSchedule(ServiceError):
    """Runs of a schedule were asked for by a suite that is not the schedule's."""

    kind = Kind.INVALID_ARGUMENT
    reason = "SUITE_NOT_OF_SCHEDULE"


class ScheduleRoutes:
    """Operations on schedules, answered by the schedule service.

    Args:
        schedules: The schedule service.
        runs: The run service, for the runs of a schedule.
        access: Guards the operations.
        admit: Lends callers' keys to schedules.
        grader_usage: What graders of runs asked models.
        schemes: Of the URLs that may be told of runs.
    """

    def __init__(
        self,
        schedules: "ScheduleServiceAsyncStub",
        *,
        runs: "RunServiceAsyncStub",
        access: Access,
        admit: AdmitScheduledRuns,
        grader_usage: GraderUsage,
        schemes: Collection[str],
    ) -> None:
        self._schedules = schedules
        self._runs = runs
        self._access = access
        self._admit = admit
        self._grader_usage = grader_usage
        self._schemes = schemes

    def router(self) -> APIRouter:
        """The routes with their documentation."""
        return router_of("schedules", operations_of(self), self._access)

    async def create(
        self,
        request: Request,
        caller: CurrentCaller,
        body: Annotated[CreateScheduleBody, Depends(json_body(CreateScheduleBody))],
    ) -> ScheduleObject:
        """Create a schedule.

        Its runs are started with the key that created it or changed it last, for the same end user,
        as long as that key is valid.
        """
        self._check_webhook(body.webhook_url)
        schedule_id = new_id("eval_schedule")
        question = pb.CreateScheduleRequest(
            schedule_id=schedule_id,
            suite_id=body.suite_id,
            fields=fields_of(body),
            grant=self._admit.grant(caller, schedule_id),
        )
        answer = await ask_while_connected(
            request, caller, self._schedules.CreateSchedule, question
        )
        return schedule_object(answer.schedule)

    async def list_schedules(
        self,
        caller: CurrentCaller,
        after: After = None,
        limit: Limit = LIMIT_DEFAULT,
        suite_id: Annotated[str | None, Query(max_length=255)] = None,
        enabled: EnabledFilter | None = None,
    ) -> ScheduleList:
        """List the team's schedules, newest first."""
        question = pb.ListSchedulesRequest(
            page=page_request(after, limit),
            suite_id=suite_id or "",
            enabled=None if enabled is None else enabled is EnabledFilter.TRUE,
        )
        answer = await ask(caller, self._schedules.ListSchedules, question)
        schedules = [schedule_object(schedule) for schedule in answer.schedules]
        return ScheduleList.of(schedules, has_more=answer.page.has_more)

    async def get(self, caller: CurrentCaller, schedule_id: str) -> ScheduleObject:
        """Get a schedule."""
        question = pb.GetScheduleRequest(schedule_id=schedule_id)
        answer = await ask(caller, self._schedules.GetSchedule, question)
        return schedule_object(answer.schedule)

    async def update(
        self,
        caller: CurrentCaller,
        schedule_id: str,
        body: Annotated[UpdateScheduleBody, Depends(json_body(UpdateScheduleBody))],
    ) -> ScheduleObject:
        """Change a schedule.

        What is not named stays. When cron, interval, time zone or `enabled` change, the next fire
        is found anew from now. From then on runs are started with the key that made the change.
        """
        self._check_webhook(body.webhook_url)
        question = pb.UpdateScheduleRequest(
            schedule_id=schedule_id,
            fields=fields_of(body),
            update_mask=FieldMask(paths=mask_of(body)),
            grant=self._admit.grant(caller, schedule_id),
        )
        answer = await ask(caller, self._schedules.UpdateSchedule, question, timeout_s=WRITE_S)
        return schedule_object(answer.schedule)

    async def delete(self, caller: CurrentCaller, schedule_id: str) -> ScheduleDeleted:
        """Delete a schedule.

        Runs that it started stay, unfinished ones go on; nobody is told of them any more.
        """
        question = pb.DeleteScheduleRequest(schedule_id=schedule_id)
        await ask(caller, self._schedules.DeleteSchedule, question, timeout_s=WRITE_S)
        return ScheduleDeleted(id=schedule_id)

    async def trigger(
        self, request: Request, caller: CurrentCaller, schedule_id: str
    ) -> ScheduleObject:
        """Start a run of a schedule now.

        Besides the cadence, which goes on as before, and whatever the overlap policy says; also of
        a disabled schedule. The run is started with the caller's own key.
        """
        question = pb.TriggerScheduleRequest(
            schedule_id=schedule_id, grant=self._admit.grant(caller, schedule_id)
        )
        answer = await ask_while_connected(
            request, caller, self._schedules.TriggerSchedule, question
        )
        return schedule_object(answer.schedule)

    async def list_runs(
        self,
        caller: CurrentCaller,
        schedule_id: str,
        after: After = None,
        limit: Limit = LIMIT_DEFAULT,
        suite_id: Annotated[
            str | None, Query(max_length=255, description="Must be the schedule's.")
        ] = None,
        suite_version: Annotated[int | None, Query(ge=1, le=ORDINAL_MAX)] = None,
        status: RunStatusFilter | None = None,
    ) -> RunList:
        """List the runs that a schedule started, newest first."""
        asked = pb.GetScheduleRequest(schedule_id=schedule_id)
        schedule = (await ask(caller, self._schedules.GetSchedule, asked)).schedule
        if suite_id is not None and suite_id != schedule.suite_id:
            raise SuiteOfAnotherSchedule("suite_id is not the schedule's", param="suite_id")
        question = run_service_pb2.ListRunsRequest(
            page=page_request(after, limit),
            suite_id=schedule.suite_id,
            suite_version=suite_version,
            state=run_state(status) if status else run_pb2.RUN_STATE_UNSPECIFIED,
            schedule_id=schedule_id,
        )
        answer = await ask(caller, self._runs.ListRuns, question)
        usage = await self._grader_usage.of_runs([run.run_id for run in answer.runs])
        runs = [run_object(run, usage.get(run.run_id, {})) for run in answer.runs]
        return RunList.of(runs, has_more=answer.page.has_more)

    def _check_webhook(self, url: str | None) -> None:
        if url is None:
            return
        try:
            require_url(url, schemes=self._schemes)
        except UrlRefused as error:
            raise WebhookUrlInvalid(f"webhook_url {error}", param="webhook_url") from None
