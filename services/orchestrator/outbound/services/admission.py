"""The gateway's word on whether a run of a schedule may start."""

from typing import Any

import grpc

from orchestrator.domain.run import RunRequest
from orchestrator.domain.schedules.schedule import Owner
from proctor.schedules.v1.admission_service_pb2 import AdmitRunRequest
from proctor.schedules.v1.admission_service_pb2_grpc import AdmissionServiceStub
from servicekit.caller import Caller, calling_as

_TIMEOUT_S = 10.0


class GrpcAdmission:
    """The gateway's admission service."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: Any = AdmissionServiceStub(channel)

    async def admit(
        self, owner: Owner, *, schedule_id: str, run_id: str, request: RunRequest
    ) -> str:
        """Return a run token.

        Raises:
            RemoteError: the key is no longer good, or the gateway is away.
        """
        question = AdmitRunRequest(
            grant=owner.grant,
            schedule_id=schedule_id,
            run_id=run_id,
            models=request.models,
            judge_model=request.judge_model,
            embedding_model=request.embedding_model,
        )
        caller = Caller(
            org_id=owner.org_id,
            team_id=owner.team_id,
            key_id=owner.key_id,
            on_behalf_of=owner.on_behalf_of,
        )
        with calling_as(caller):
            answer = await self._stub.AdmitRun(question, timeout=_TIMEOUT_S)
        return str(answer.run_token)
