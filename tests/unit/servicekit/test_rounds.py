import asyncio

import pytest
from structlog.testing import capture_logs

from servicekit.errors import Kind, ServiceError
from servicekit.logs import get_logger
from servicekit.rounds import in_rounds


class Away(ServiceError):
    kind = Kind.UNAVAILABLE
    reason = "AWAY"


async def test_it_looks_again_after_each_period_whatever_happened() -> None:
    ends: list[Exception | None] = [None, Away("away"), ValueError("a mistake"), None]
    looks = []

    async def look() -> None:
        looks.append(asyncio.get_running_loop().time())
        end = ends.pop(0)
        if end:
            raise end

    log = get_logger("test")
    with capture_logs() as logged, pytest.raises(TimeoutError):
        async with asyncio.timeout(17):
            await in_rounds(look, period_s=5, log=log, failed="not_looked")

    assert looks == [0, 5, 10, 15]
    assert [(line["event"], line["log_level"]) for line in logged] == [
        ("not_looked", "warning"),
        ("not_looked", "error"),
    ]
