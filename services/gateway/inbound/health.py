"""Is this process alive, and can it work?"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from servicekit.logs import get_logger

CHECK_S = 1.0

log = get_logger(__name__)

Check = Callable[[], Awaitable[bool]]


class HealthRoutes:
    """The probes of an orchestrating system.

    Args:
        own: What this process cannot work without; one failing makes it not ready.
        others: Services behind it. They are reported, but do not make it unready: a part of the
            operations still
            works, and the rest answers 503 by itself.
    """

    def __init__(self, *, own: Mapping[str, Check], others: Mapping[str, Check]) -> None:
        self._own = own
        self._others = others

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter()
        for path, endpoint in (("/healthz", self.alive), ("/readyz", self.ready)):
            router.add_api_route(path, endpoint, include_in_schema=False)
        return router

    async def alive(self) -> Response:
        """The process answers."""
        return JSONResponse({"status": "ok"})

    async def ready(self) -> Response:
        """The process can work: 200 or 503, with the state of each part."""
        checks = {**self._own, **self._others}
        async with asyncio.TaskGroup() as tasks:
            asked = {
                name: tasks.create_task(_passes(name, check)) for name, check in checks.items()
            }
        states = {name: task.result() for name, task in asked.items()}
        ready = all(states[name] for name in self._own)
        return JSONResponse(
            {
                "status": "ready" if ready else "not_ready",
                "checks": {name: "ok" if state else "failed" for name, state in states.items()},
            },
            status_code=200 if ready else 503,
        )


async def _passes(name: str, check: Check) -> bool:
    try:
        async with asyncio.timeout(CHECK_S):
            return await check()
    except Exception as error:  # noqa: BLE001 -- whatever goes wrong is the answer
        log.warning("health_check_failed", check=name, error=type(error).__name__)
        return False
