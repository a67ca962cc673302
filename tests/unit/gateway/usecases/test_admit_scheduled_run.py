from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.domain.api_keys import ApiKey
from gateway.domain.run_token import read_run_token
from gateway.domain.schedule_grant import ScheduleGrantInvalid
from gateway.domain.scopes import Scope
from gateway.usecases.admit_run import AdmitRun
from gateway.usecases.admit_scheduled_run import (
    AdmitScheduledRuns,
    ScheduledRun,
    ScheduleKeyInvalid,
)
from servicekit.caller import Caller
from servicekit.clock import SystemClock
from unit.gateway.backend.api_keys import MemoryApiKeys

SECRET = b"s" * 32
CALLER = Caller(org_id="org", team_id="team", key_id="0" * 16, on_behalf_of="user-7")
KEY = ApiKey(
    id=CALLER.key_id,
    name="nightly",
    org_id="org",
    team_id="team",
    scopes=frozenset({Scope.WRITE_EVALS}),
    seal=b"0" * 32,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)
RUN = ScheduledRun(
    schedule_id="eval_schedule_1",
    run_id="eval_run_1",
    candidates=["small"],
    judge="judge",
    embedding=None,
)


async def admitting(key: ApiKey | None = KEY, *, secret: bytes = SECRET) -> AdmitScheduledRuns:
    keys = MemoryApiKeys()
    if key is not None:
        await keys.add(key)
    admit_run = AdmitRun(secret=secret, grader_models=("*",), max_calls=9, clock=SystemClock())
    return AdmitScheduledRuns(keys, admit_run, secret=secret)


async def test_a_run_is_admitted_for_whoever_lent_the_key() -> None:
    admit = await admitting()

    token = await admit.admit(admit.grant(CALLER, "eval_schedule_1"), RUN)

    grant = read_run_token(token, SECRET).grant
    assert (grant.run_id, grant.org_id, grant.team_id) == ("eval_run_1", "org", "team")
    assert (grant.on_behalf_of, grant.candidates, grant.judge) == ("user-7", ("small",), "judge")
    assert grant.max_calls == 9


@pytest.mark.parametrize(
    "key",
    [
        None,
        replace(KEY, revoked_at=datetime(2026, 2, 1, tzinfo=UTC)),
        replace(KEY, scopes=frozenset({Scope.READ_EVALS})),
    ],
    ids=["gone", "revoked", "without the scope"],
)
async def test_a_key_that_is_no_longer_good_admits_nothing(key: ApiKey | None) -> None:
    admit = await admitting(key)

    with pytest.raises(ScheduleKeyInvalid):
        await admit.admit(admit.grant(CALLER, "eval_schedule_1"), RUN)


async def test_a_grant_is_good_for_its_own_schedule_only() -> None:
    admit = await admitting()

    with pytest.raises(ScheduleGrantInvalid):
        await admit.admit(admit.grant(CALLER, "eval_schedule_2"), RUN)


async def test_nobody_else_can_make_a_grant() -> None:
    admit, other = await admitting(), await admitting(secret=b"o" * 32)

    for forged in (other.grant(CALLER, "eval_schedule_1"), "", "a.b.c"):
        with pytest.raises(ScheduleGrantInvalid):
            await admit.admit(forged, RUN)


async def test_a_run_token_is_no_grant() -> None:
    admit = await admitting()
    token = await admit.admit(admit.grant(CALLER, "eval_schedule_1"), RUN)

    with pytest.raises(ScheduleGrantInvalid):
        await admit.admit(token, RUN)
