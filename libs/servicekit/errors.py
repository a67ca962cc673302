"""The one base of every refusal that may be shown to a caller."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a call failed; each value is the name of the gRPC code it travels as."""

    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    ABORTED = "ABORTED"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    UNAVAILABLE = "UNAVAILABLE"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    CANCELLED = "CANCELLED"
    UNIMPLEMENTED = "UNIMPLEMENTED"
    INTERNAL = "INTERNAL"
    DATA_LOSS = "DATA_LOSS"


@dataclass(frozen=True)
class Violation:
    """One problem of a request: where, a stable reason in UPPER_SNAKE, a sentence for people."""

    path: str
    reason: str
    message: str


class ServiceError(Exception):
    """A refusal with a stable reason; subclasses set `kind` and `reason`.

    The message is one sentence for the caller; each value in it is given again as a keyword, so
    that programs need not parse the sentence. The keyword `param` names the offending field of the
    request.

    Attributes:
        message: the sentence.
        violations: every problem found, when the request had several.
        metadata: the values of the sentence, as strings.
    """

    kind: Kind = Kind.INTERNAL
    reason: str = "INTERNAL"

    def __init__(
        self, message: str, *, violations: Sequence[Violation] = (), **metadata: object
    ) -> None:
        super().__init__(message)
        self.message = message
        self.violations = tuple(violations)
        self.metadata = {key: str(value) for key, value in metadata.items()}


class RemoteError(ServiceError):
    """Another service's refusal, as it was raised there.

    Raised again by a handler it goes to that handler's caller unchanged.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: Kind,
        reason: str,
        violations: Sequence[Violation] = (),
        metadata: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message, violations=violations)
        self.kind = kind
        self.reason = reason
        self.metadata = dict(metadata or {})


class DeadlineExceeded(ServiceError):
    """The time the caller gave, or the server's own limit, ran out."""

    kind = Kind.DEADLINE_EXCEEDED
    reason = "DEADLINE_EXCEEDED"
