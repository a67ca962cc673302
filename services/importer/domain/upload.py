"""How an upload can fail."""

from servicekit.errors import Kind, ServiceError


class FileTooLarge(ServiceError):
    """The content is longer than the operator allows; nothing was stored."""

    kind = Kind.OUT_OF_RANGE
    reason = "FILE_TOO_LARGE"


class FileIdTaken(ServiceError):
    """The id that a service chose belongs to a file with another content or owner."""

    kind = Kind.ALREADY_EXISTS
    reason = "FILE_ID_TAKEN"


class UploadIncomplete(ServiceError):
    """The stream broke the order header, chunks, end; nothing was stored."""

    kind = Kind.INVALID_ARGUMENT
    reason = "UPLOAD_INCOMPLETE"


class UploadRaced(ServiceError):
    """The same content was deleted while it was uploaded; nothing was stored, a repeat will do."""

    kind = Kind.UNAVAILABLE
    reason = "UPLOAD_RACED"
