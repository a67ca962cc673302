"""A gateway that admits runs of schedules, or does not."""

from typing import Any

from integration.orchestrator.fake_bridge import token
from proctor.schedules.v1 import admission_service_pb2 as pb
from proctor.schedules.v1.admission_service_pb2_grpc import AdmissionServiceServicer
from servicekit.caller import Caller, current_caller
from servicekit.errors import Kind, ServiceError


class KeyRevoked(ServiceError):
    """As the gateway says it."""

    kind = Kind.PERMISSION_DENIED
    reason = "SCHEDULE_KEY_INVALID"


class Away(ServiceError):
    """As a gateway that starts says it."""

    kind = Kind.UNAVAILABLE
    reason = "AWAY"


class FakeAdmission(AdmissionServiceServicer):
    """Admits whoever has a grant that is not revoked, and remembers whom."""

    def __init__(self) -> None:
        self.revoked: set[str] = set()
        self.away = False
        self.asked: list[tuple[Caller, pb.AdmitRunRequest]] = []

    async def AdmitRun(self, request: pb.AdmitRunRequest, _context: Any) -> pb.AdmitRunResponse:
        self.asked.append((current_caller(), request))
        if self.away:
            raise Away("not now")
        if request.grant in self.revoked:
            raise KeyRevoked("the key is revoked")
        return pb.AdmitRunResponse(run_token=token(run=request.run_id))
