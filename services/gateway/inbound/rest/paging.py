"""The query parameters of pages."""

from typing import Annotated

from fastapi import Query

from proctor.common.v1.page_pb2 import PageRequest

After = Annotated[
    str | None,
    Query(max_length=255, description="Id of the entry after which the page starts (`last_id`)."),
]
Limit = Annotated[int, Query(ge=1, le=100, description="Most entries of the page.")]
SampleLimit = Annotated[int, Query(ge=1, le=500, description="Most entries of the page.")]
FileLimit = Annotated[int, Query(ge=1, le=10_000, description="Most entries of the page.")]
OwnedOnly = Annotated[
    bool, Query(description="True leaves out what is visible only through a share.")
]

LIMIT_DEFAULT = 20
SAMPLE_LIMIT_DEFAULT = 100
FILE_LIMIT_DEFAULT = 10_000


def page_request(after: str | None, limit: int) -> PageRequest:
    """What the services are asked for."""
    return PageRequest(page_size=limit, after_id=after or "")
