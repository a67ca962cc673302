"""What an agent did in a trial, step by step; nobody here reads it."""

from dataclasses import dataclass

from servicekit.errors import Kind, ServiceError

TRAJECTORY_BYTES_MAX = 16 * 1024 * 1024
"""Of the steps and the logs together, as JSON text."""


class SampleNotFound(ServiceError):
    """The run has no such sample."""

    kind = Kind.NOT_FOUND
    reason = "SAMPLE_NOT_FOUND"

    def __init__(self, run_id: str, sample_index: int) -> None:
        message = f"run {run_id} has no such sample {sample_index}"
        super().__init__(message, run_id=run_id, sample_index=sample_index)


class SampleAmbiguous(ServiceError):
    """Several samples of the run have the index; `param` is what tells them apart."""

    kind = Kind.INVALID_ARGUMENT
    reason = "SAMPLE_AMBIGUOUS"

    def __init__(self, sample_index: int, param: str) -> None:
        message = f"sample_index {sample_index} is that of several samples; add `{param}`"
        super().__init__(message, sample_index=sample_index, param=param)


class TrajectoryNotFound(ServiceError):
    """The sample has no trajectory."""

    kind = Kind.NOT_FOUND
    reason = "TRAJECTORY_NOT_FOUND"

    def __init__(self, run_id: str, sample_index: int) -> None:
        message = f"sample {sample_index} of run {run_id} has no trajectory"
        super().__init__(message, run_id=run_id, sample_index=sample_index)


class TrajectoryTooLarge(ServiceError):
    """Steps and logs together have more bytes than are kept."""

    kind = Kind.INVALID_ARGUMENT
    reason = "TRAJECTORY_TOO_LARGE"

    def __init__(self) -> None:
        message = f"steps and logs may have {TRAJECTORY_BYTES_MAX} bytes together"
        super().__init__(message, bytes_max=TRAJECTORY_BYTES_MAX, param="steps")


class UploadIncomplete(ServiceError):
    """Fewer or more bytes came than were announced; nothing was stored."""

    kind = Kind.INVALID_ARGUMENT
    reason = "UPLOAD_INCOMPLETE"


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRef:
    """Which sample is meant; an empty task or model matches any."""

    run_id: str
    sample_index: int
    task_id: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """A trajectory; `steps_json` is a list, `logs_json` an object or None, both as they came."""

    schema_version: str
    step_count: int
    steps_json: bytes
    logs_json: bytes | None

    @property
    def size_bytes(self) -> int:
        """Length of steps and logs as they are stored."""
        return len(self.steps_json) + len(self.logs_json or b"")
