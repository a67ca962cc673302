"""AdmissionService: the orchestrator asks whether a run of a schedule may start."""

from gateway.inbound.resources.resource import text_if_set
from gateway.usecases.admit_scheduled_run import AdmitScheduledRuns, ScheduledRun
from proctor.schedules.v1 import admission_service_pb2 as pb
from proctor.schedules.v1 import admission_service_pb2_grpc as rpc

SERVICE_NAME = pb.DESCRIPTOR.services_by_name["AdmissionService"].full_name


class AdmissionRpc(rpc.AdmissionServiceServicer):
    """Serves AdmissionService."""

    def __init__(self, admit: AdmitScheduledRuns) -> None:
        self._admit = admit

    async def AdmitRun(
        self,
        request: pb.AdmitRunRequest,
        context: object,  # noqa: ARG002 - gRPC's signature
    ) -> pb.AdmitRunResponse:
        """Make a run token for a run that a schedule starts."""
        run = ScheduledRun(
            schedule_id=request.schedule_id,
            run_id=request.run_id,
            candidates=request.models,
            judge=text_if_set(request, "judge_model"),
            embedding=text_if_set(request, "embedding_model"),
        )
        return pb.AdmitRunResponse(run_token=await self._admit.admit(request.grant, run))
