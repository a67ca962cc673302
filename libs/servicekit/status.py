"""Refusals as google.rpc.Status and back: the same reason, values and violations at both ends."""

import grpc
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from servicekit.causes import causes
from servicekit.errors import DeadlineExceeded, Kind, RemoteError, ServiceError, Violation

ERROR_DOMAIN = "proctor"
METADATA_BYTES_MAX = (
    1024 * 1024
)  # both ends allow this much; gRPC's own default of 8 KiB drops big statuses
_MESSAGE_LENGTH_MAX = 4096
_DETAILS_BYTES_MAX = 256 * 1024  # violations beyond this are left out, and their number is told
_LOST = "an internal error occurred"


def to_status(error: BaseException) -> status_pb2.Status:
    """What the caller is told: everything of a ServiceError, nothing of anything else."""
    refusal = refusal_in(error)
    if refusal is None:
        return status_pb2.Status(code=code_pb2.INTERNAL, message=_LOST)
    status = status_pb2.Status(
        code=code_pb2.Code.Value(refusal.kind.value),
        message=refusal.message[:_MESSAGE_LENGTH_MAX],
    )
    metadata = {key: value[:_MESSAGE_LENGTH_MAX] for key, value in refusal.metadata.items()}
    if refusal.violations:
        request = _bad_request(refusal)
        if omitted := len(refusal.violations) - len(request.field_violations):
            metadata["violations_omitted"] = str(omitted)
        status.details.add().Pack(request)
    info = error_details_pb2.ErrorInfo(
        reason=refusal.reason, domain=ERROR_DOMAIN, metadata=metadata
    )
    status.details.add().Pack(info)
    return status


def refusal_in(error: BaseException) -> ServiceError | None:
    """The ServiceError to tell the caller about, or None when the failure is nobody's to see.

    A TaskGroup wraps what its tasks raise: a group of nothing but refusals is its first refusal. An
    own timeout of the handler is a DeadlineExceeded.
    """
    refusals = [_refusal(leaf) for leaf in causes(error)]
    return refusals[0] if refusals and all(refusals) else None


def from_rpc_error(error: grpc.aio.AioRpcError, method: str) -> RemoteError:
    """The refusal behind a failed call of `method` (`/package.Service/Method`).

    A status without our details (nothing listens, a proxy answered) is told by its code only; what
    gRPC says about addresses stays in the exception's cause.
    """
    code = error.code().name
    info, request = _details(error)
    if info is None:
        kind = _kind_by_code(code)
        return RemoteError(
            f"{method.lstrip('/')} answered {code}", kind=kind, reason=kind.value, metadata={}
        )
    return RemoteError(
        error.details() or code,
        kind=Kind(code),
        reason=info.reason,
        violations=[
            Violation(path=found.field, reason=found.reason, message=found.description)
            for found in request.field_violations
        ],
        metadata=dict(info.metadata),
    )


def _kind_by_code(code: str) -> Kind:
    if code == Kind.CANCELLED:  # not by us: a server that stops lets go of its calls like this
        return Kind.UNAVAILABLE
    return Kind(code) if code in Kind.__members__ else Kind.INTERNAL


def _bad_request(refusal: ServiceError) -> error_details_pb2.BadRequest:
    request = error_details_pb2.BadRequest()
    size = 0
    for violation in refusal.violations:
        found = error_details_pb2.BadRequest.FieldViolation(
            field=violation.path, reason=violation.reason, description=violation.message
        )
        size += found.ByteSize()
        if size > _DETAILS_BYTES_MAX:
            break
        request.field_violations.append(found)
    return request


def _refusal(error: BaseException) -> ServiceError | None:
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, TimeoutError):
        return DeadlineExceeded("the call took longer than it may")
    return None


def _details(
    error: grpc.aio.AioRpcError,
) -> tuple[error_details_pb2.ErrorInfo | None, error_details_pb2.BadRequest]:
    info: error_details_pb2.ErrorInfo | None = None
    request = error_details_pb2.BadRequest()
    try:
        status = rpc_status.from_call(error)
    except ValueError:  # the details contradict the code: not written by us
        return None, request
    for detail in status.details if status is not None else ():
        found = error_details_pb2.ErrorInfo()
        if detail.Unpack(found) and found.domain == ERROR_DOMAIN:
            info = found
        detail.Unpack(request)
    return info, request
