"""What the tests of schedules do again and again."""

import asyncio
import json
from typing import Any
from uuid import uuid4

from google.protobuf.field_mask_pb2 import FieldMask

from integration.orchestrator.world import CALLER, World, task
from proctor.runs.v1 import run_pb2, run_service_pb2
from proctor.schedules.v1 import schedule_pb2
from proctor.schedules.v1 import schedule_service_pb2 as pb
from servicekit.caller import Caller, calling_as

KEYED = Caller(org_id="org", team_id="team", key_id="key", on_behalf_of="somebody")
SKIP = schedule_pb2.OVERLAP_POLICY_SKIP
BUFFER_ONE = schedule_pb2.OVERLAP_POLICY_BUFFER_ONE
ALLOW_ALL = schedule_pb2.OVERLAP_POLICY_ALLOW_ALL
RUN = {"models": ["model-a"]}
# The loop looks often, so that no test waits for it.
QUICK = {"schedules_period_s": 0.05}


async def create_suite(world: World, *, rows: int = 1) -> str:
    """Id of a suite that the fake model answers."""
    return await world.create_suite(task(world.rows(rows)))


async def create(
    world: World,
    suite_id: str,
    *,
    caller: Caller = KEYED,
    run: Any = None,
    grant: str = "grant",
    **fields: Any,
) -> schedule_pb2.Schedule:
    """Store a schedule; every hour unless `fields` say otherwise."""
    if "cron" not in fields and "interval_seconds" not in fields:
        fields["interval_seconds"] = 3600
    wishes = schedule_pb2.ScheduleFields(
        **{"name": "nightly", "run_json": json.dumps(run or RUN).encode(), **fields}
    )
    request = pb.CreateScheduleRequest(
        schedule_id=f"eval_schedule_{uuid4().hex}", suite_id=suite_id, fields=wishes, grant=grant
    )
    with calling_as(caller):
        answer = await world.schedules.CreateSchedule(request)
    schedule: schedule_pb2.Schedule = answer.schedule
    return schedule


async def get(world: World, schedule_id: str) -> schedule_pb2.Schedule:
    with calling_as(CALLER):
        answer = await world.schedules.GetSchedule(pb.GetScheduleRequest(schedule_id=schedule_id))
    schedule: schedule_pb2.Schedule = answer.schedule
    return schedule


async def change(
    world: World, schedule_id: str, *clear: str, grant: str = "grant", **fields: Any
) -> schedule_pb2.Schedule:
    """Set fields, and clear others."""
    request = pb.UpdateScheduleRequest(
        schedule_id=schedule_id,
        fields=schedule_pb2.ScheduleFields(**fields),
        update_mask=FieldMask(paths=[*clear, *fields]),
        grant=grant,
    )
    with calling_as(KEYED):
        answer = await world.schedules.UpdateSchedule(request)
    schedule: schedule_pb2.Schedule = answer.schedule
    return schedule


async def trigger(world: World, schedule_id: str, *, grant: str = "grant") -> schedule_pb2.Schedule:
    request = pb.TriggerScheduleRequest(schedule_id=schedule_id, grant=grant)
    with calling_as(KEYED):
        answer = await world.schedules.TriggerSchedule(request)
    schedule: schedule_pb2.Schedule = answer.schedule
    return schedule


async def make_due(world: World, schedule_id: str, *, hours: float = 0.001) -> None:
    """Let its time have come so long ago."""
    moved = "UPDATE schedules SET next_run_at = now() - make_interval(secs => $2), "
    moved += "claimed_until = NULL WHERE schedule_id = $1"
    await world.query(moved, schedule_id, hours * 3600.0)


async def runs_of(world: World, schedule_id: str) -> list[run_pb2.Run]:
    """Its runs, newest first."""
    with calling_as(CALLER):
        answer = await world.runs.ListRuns(run_service_pb2.ListRunsRequest(schedule_id=schedule_id))
    return list(answer.runs)


async def until_runs(world: World, schedule_id: str, count: int) -> list[run_pb2.Run]:
    """Its runs once there are so many."""
    async with asyncio.timeout(60):
        while len(runs := await runs_of(world, schedule_id)) < count:
            await asyncio.sleep(0.02)
    assert len(runs) == count
    return runs


async def until_moved_on(world: World, schedule_id: str) -> schedule_pb2.Schedule:
    """The schedule once its time is not in the past any more."""
    query = "SELECT next_run_at > now() AS ahead FROM schedules WHERE schedule_id = $1"
    async with asyncio.timeout(60):
        while not (await world.query(query, schedule_id))[0]["ahead"]:
            await asyncio.sleep(0.02)
    return await get(world, schedule_id)
