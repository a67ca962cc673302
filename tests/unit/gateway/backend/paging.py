"""Keyset pages over lists in memory."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from proctor.common.v1.page_pb2 import PageRequest
from servicekit.errors import Kind, ServiceError

Entry = TypeVar("Entry")


class InvalidCursor(ServiceError):
    kind = Kind.INVALID_ARGUMENT
    reason = "INVALID_CURSOR"


def page_of(
    entries: Sequence[Entry], page: PageRequest, id_of: Callable[[Entry], str]
) -> tuple[list[Entry], bool]:
    """The entries of one page, and whether more follow."""
    start = 0
    if page.after_id:
        ids = [id_of(entry) for entry in entries]
        if page.after_id not in ids:
            raise InvalidCursor(f"there is no {page.after_id}", param="after")
        start = ids.index(page.after_id) + 1
    end = start + page.page_size
    return list(entries[start:end]), end < len(entries)
