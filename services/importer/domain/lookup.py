"""Finding files: one, many, or page by page."""

from dataclasses import dataclass

from importer.domain.file import Purpose
from servicekit.errors import Kind, ServiceError

PAGE_SIZE_MAX = 10_000  # contract 0.6; also what a caller gets who does not ask
BATCH_MAX = 1_000


class FileNotFound(ServiceError):
    """The team has no such file."""

    kind = Kind.NOT_FOUND
    reason = "FILE_NOT_FOUND"

    def __init__(self, file_id: str) -> None:
        super().__init__(f"there is no file {file_id}", file=file_id, param="file_id")


class InvalidCursor(ServiceError):
    """A page was asked for that begins after a file the team does not have."""

    kind = Kind.INVALID_ARGUMENT
    reason = "INVALID_CURSOR"


class InvalidPage(ServiceError):
    """More was asked for than one answer holds, or a negative number."""

    kind = Kind.INVALID_ARGUMENT
    reason = "INVALID_PAGE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Which files to list.

    Attributes:
        limit: at most so many, 1 to 10,000.
        after_id: begin behind this file; empty begins with the first.
        ascending: oldest first.
        purpose: only files with this purpose; None for all.
        sha256: only files with this content; empty for all.
    """

    limit: int
    after_id: str = ""
    ascending: bool = False
    purpose: Purpose | None = None
    sha256: str = ""


def page_limit(page_size: int) -> int:
    """Return how many files a page holds: 0 asks for the default, too many are cut.

    Raises:
        InvalidPage: negative.
    """
    if page_size < 0:
        raise InvalidPage("the page size must not be negative", param="limit", limit=page_size)
    return min(page_size or PAGE_SIZE_MAX, PAGE_SIZE_MAX)


def check_batch(count: int) -> None:
    """Refuse a batch that is too large.

    Raises:
        InvalidPage: more than 1,000 ids.
    """
    if count > BATCH_MAX:
        raise InvalidPage(f"{count} files were asked for; {BATCH_MAX} are allowed", count=count)
