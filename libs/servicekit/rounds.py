"""Work that is looked for from time to time."""

import asyncio
from collections.abc import Awaitable, Callable

from structlog.typing import FilteringBoundLogger

from servicekit.errors import ServiceError


async def in_rounds(
    look: Callable[[], Awaitable[object]],
    *,
    period_s: float,
    log: FilteringBoundLogger,
    failed: str,
) -> None:
    """Look again and again until cancelled, `period_s` apart, whatever a look ends with.

    A look that fails is logged as `failed`: with its traceback, unless another part is away or
    refused.
    """
    while True:
        try:
            await look()
        except ServiceError as error:
            log.warning(failed, error=repr(error))
        except Exception:
            log.exception(failed)
        await asyncio.sleep(period_s)
