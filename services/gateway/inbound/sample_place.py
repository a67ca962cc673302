"""Which sample of a run an operation means: its index, and its task where that is not enough."""

from typing import Annotated

from fastapi import Path, Query

_INT32_MAX = 2**31 - 1

Index = Annotated[int, Path(ge=0, le=_INT32_MAX)]
TaskId = Annotated[
    str | None, Query(max_length=255, description="Needed when the index is in several tasks.")
]
