"""ScheduleService over gRPC."""

from orchestrator.inbound.schedules.wire import (
    changes_from,
    filter_from,
    schedule_from,
    wishes_from,
)
from orchestrator.inbound.wire import page_from
from orchestrator.ports.schedules import Schedules
from orchestrator.usecases.schedules.keep_schedules import KeepSchedules
from proctor.common.v1.page_pb2 import PageInfo
from proctor.schedules.v1 import schedule_service_pb2 as pb
from proctor.schedules.v1.schedule_service_pb2_grpc import ScheduleServiceServicer
from servicekit.caller import current_caller

_PAGE_DEFAULT = 20
_PAGE_MAX = 100


class SchedulesRpc(ScheduleServiceServicer):
    """Schedules of the caller's team."""

    def __init__(self, schedules: Schedules, keep: KeepSchedules) -> None:
        self._schedules = schedules
        self._keep = keep

    async def CreateSchedule(
        self, request: pb.CreateScheduleRequest, _context: object
    ) -> pb.CreateScheduleResponse:
        """Store a schedule."""
        schedule = await self._keep.create(
            current_caller(),
            schedule_id=request.schedule_id,
            suite_id=request.suite_id,
            wishes=wishes_from(request.fields),
            grant=request.grant,
        )
        return pb.CreateScheduleResponse(schedule=schedule_from(schedule))

    async def GetSchedule(
        self, request: pb.GetScheduleRequest, _context: object
    ) -> pb.GetScheduleResponse:
        """Get one schedule."""
        schedule = await self._schedules.get(current_caller(), request.schedule_id)
        return pb.GetScheduleResponse(schedule=schedule_from(schedule))

    async def ListSchedules(
        self, request: pb.ListSchedulesRequest, _context: object
    ) -> pb.ListSchedulesResponse:
        """List the team's schedules, newest first."""
        page = page_from(request.page, default=_PAGE_DEFAULT, largest=_PAGE_MAX)
        found = await self._schedules.list_page(current_caller(), filter_from(request), page)
        return pb.ListSchedulesResponse(
            schedules=[schedule_from(schedule) for schedule in found.entries],
            page=PageInfo(has_more=found.has_more),
        )

    async def UpdateSchedule(
        self, request: pb.UpdateScheduleRequest, _context: object
    ) -> pb.UpdateScheduleResponse:
        """Change a schedule."""
        changes = changes_from(request.fields, request.update_mask)
        schedule = await self._keep.change(
            current_caller(), request.schedule_id, changes, grant=request.grant
        )
        return pb.UpdateScheduleResponse(schedule=schedule_from(schedule))

    async def DeleteSchedule(
        self, request: pb.DeleteScheduleRequest, _context: object
    ) -> pb.DeleteScheduleResponse:
        """Hide a schedule."""
        await self._schedules.delete(current_caller(), request.schedule_id)
        return pb.DeleteScheduleResponse()

    async def TriggerSchedule(
        self, request: pb.TriggerScheduleRequest, _context: object
    ) -> pb.TriggerScheduleResponse:
        """Start a run now."""
        schedule = await self._keep.trigger(
            current_caller(), request.schedule_id, grant=request.grant
        )
        return pb.TriggerScheduleResponse(schedule=schedule_from(schedule))

    async def GetScheduleWebhook(
        self, request: pb.GetScheduleWebhookRequest, _context: object
    ) -> pb.GetScheduleWebhookResponse:
        """Get where runs of a schedule are told of."""
        webhook = await self._schedules.webhook(current_caller(), request.schedule_id)
        return pb.GetScheduleWebhookResponse(url=webhook.url, secret=webhook.secret)
