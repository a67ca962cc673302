"""Only what no orchestrator decides; the rest is in tests/conformance."""

from typing import Any

import httpx
import pytest

from gateway.domain.scopes import Scope
from gateway.inbound.application import rest_application
from gateway.inbound.rest.access import Access
from gateway.inbound.schedules.routes import ScheduleRoutes
from gateway.usecases.admit_run import AdmitRun
from gateway.usecases.admit_scheduled_run import AdmitScheduledRuns
from gateway.usecases.authenticate import Authenticate
from gateway.usecases.create_key import create_key
from unit.gateway.backend.api_keys import MemoryApiKeys
from unit.gateway.backend.clock import StillClock
from unit.gateway.backend.usage import MemoryUsage

SECRET = b"s" * 32
BODY = {
    "name": "nightly",
    "suite_id": "eval_suite_1",
    "interval_seconds": 60,
    "run": {"models": ["a"]},
}


async def posted(**fields: Any) -> httpx.Response:
    """The answer of a gateway whose operator allows https only, and that has no orchestrator."""
    keys, clock, nobody = MemoryApiKeys(), StillClock(), object()
    new = await create_key(
        keys,
        name="test",
        org_id="org",
        team_id="team",
        scopes=list(Scope),
        pepper=SECRET,
        clock=clock,
    )
    admit_run = AdmitRun(secret=SECRET, grader_models=(), max_calls=1, clock=clock)
    stub: Any = nobody
    routes = ScheduleRoutes(
        stub,
        runs=stub,
        access=Access(Authenticate(keys, pepper=SECRET, clock=clock)),
        admit=AdmitScheduledRuns(keys, admit_run, secret=SECRET),
        grader_usage=MemoryUsage(),
        schemes=("https",),
    )
    app = rest_application([routes.router()], version="0")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://proctor.test/api/v1/llm",
        headers={"authorization": f"Bearer {new.text.text}"},
    ) as client:
        return await client.post("/evals/schedules", json={**BODY, **fields})


@pytest.mark.parametrize(
    "url", ["http://example.org", "ftp://example.org", "//example.org", "https://", "https://u@h"]
)
async def test_a_webhook_must_be_an_https_url(url: str) -> None:
    answer = await posted(webhook_url=url)

    error = answer.json()["error"]
    assert (answer.status_code, error["reason"]) == (400, "invalid_webhook_url")
    assert error["param"] == "webhook_url"
