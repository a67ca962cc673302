"""The operations on schedules, as the contract and the OpenAPI document name them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gateway.domain.scopes import Scope
from gateway.inbound.resources.runs import RunList
from gateway.inbound.resources.schedules import ScheduleDeleted, ScheduleList, ScheduleObject
from gateway.inbound.rest.bodies import described_body
from gateway.inbound.rest.operations import Operation
from gateway.inbound.schedules.body import CreateScheduleBody, UpdateScheduleBody

if TYPE_CHECKING:  # they import this module
    from gateway.inbound.schedules.routes import ScheduleRoutes

_COLLECTION = "/evals/schedules"
_ONE = "/evals/schedules/{schedule_id}"
_CREATE_BODY = described_body(
    CreateScheduleBody,
    {
        "name": "Nightly",
        "suite_id": "eval_suite_0123456789abcdef0123456789abcdef",
        "cron": "30 2 * * *",
        "timezone": "Europe/Berlin",
        "run": {"models": ["model-a"], "max_samples_per_task": 20},
    },
)
_UPDATE_BODY = described_body(UpdateScheduleBody, {"cron": None, "interval_seconds": 3600})


def operations_of(routes: "ScheduleRoutes") -> Sequence[Operation]:
    """Return the operations that `routes` answers."""
    return (
        Operation(
            id="createEvalSchedule",
            method="POST",
            path=_COLLECTION,
            endpoint=routes.create,
            scope=Scope.WRITE_EVALS,
            answer=ScheduleObject,
            body=_CREATE_BODY,
            errors=(404, 409),
        ),
        Operation(
            id="listEvalSchedules",
            method="GET",
            path=_COLLECTION,
            endpoint=routes.list_schedules,
            scope=Scope.READ_EVALS,
            answer=ScheduleList,
        ),
        Operation(
            id="getEvalSchedule",
            method="GET",
            path=_ONE,
            endpoint=routes.get,
            scope=Scope.READ_EVALS,
            answer=ScheduleObject,
            errors=(404,),
        ),
        Operation(
            id="updateEvalSchedule",
            method="PATCH",
            path=_ONE,
            endpoint=routes.update,
            scope=Scope.WRITE_EVALS,
            answer=ScheduleObject,
            body=_UPDATE_BODY,
            errors=(404, 409),
        ),
        Operation(
            id="deleteEvalSchedule",
            method="DELETE",
            path=_ONE,
            endpoint=routes.delete,
            scope=Scope.WRITE_EVALS,
            answer=ScheduleDeleted,
            errors=(404,),
        ),
        Operation(
            id="triggerEvalSchedule",
            method="POST",
            path=f"{_ONE}/trigger",
            endpoint=routes.trigger,
            scope=Scope.WRITE_EVALS,
            answer=ScheduleObject,
            errors=(404,),
        ),
        Operation(
            id="listEvalScheduleRuns",
            method="GET",
            path=f"{_ONE}/runs",
            endpoint=routes.list_runs,
            scope=Scope.READ_EVALS,
            answer=RunList,
            errors=(404,),
        ),
    )
