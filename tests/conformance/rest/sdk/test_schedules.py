"""Schedules through the published client, with a real receiver of webhooks."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from meetkai_mka1.evals import Evals

from conformance.rest.sdk.agents import NO_SUITE, Json, refused
from conformance.rest.sdk.receiver import Receiver, receiving
from conformance.rest.teams import Team, new_key
from e2e.stack import Stack, proctor
from e2e.work import sums, task

NO_SCHEDULE = f"eval_schedule_{'0' * 32}"
RUN: Any = {"models": ["adder"]}
SECRET = "whsec-canary-4b1d77"  # noqa: S105 -- must be found nowhere
PATH = "/api/v1/llm/evals/schedules"

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def suite_id(team: Team) -> str:
    tasks = [task(team.upload(*sums(2)))]
    body = {"name": "scheduled", "manifest": {"tasks": tasks}}
    answer = team.http.post("/api/v1/llm/evals/suites", json=body)
    return str(answer.raise_for_status().json()["id"])


@pytest.fixture
def evals(team: Team) -> Iterator[Evals]:
    with team.sdk() as sdk:
        yield sdk.llm.evals


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


@pytest.fixture
def hourly(suite_id: str) -> Json:
    return {"name": "hourly", "suite_id": suite_id, "run": RUN, "interval_seconds": 3600}


def execute(stack: Stack, statement: str, *values: object) -> None:
    async def connected() -> None:
        connection = await asyncpg.connect(stack.postgres_dsn)
        try:
            await connection.execute(statement, *values)
        finally:
            await connection.close()

    asyncio.run(connected())


def make_due(stack: Stack, schedule_id: str) -> None:
    """Let its time have come."""
    statement = "UPDATE orchestrator.schedules SET next_run_at = now() WHERE schedule_id = $1"
    execute(stack, statement, schedule_id)


def ended(evals: Evals, schedule_id: str) -> Any:
    """The schedule once its last run has ended."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        schedule = evals.get_schedule(schedule_id=schedule_id)
        if schedule.last_run_status in {"completed", "failed", "cancelled"}:
            return schedule
        time.sleep(0.1)  # a poll's pause
    raise AssertionError(f"{schedule_id} is at {schedule.last_run_status}")


def test_a_schedule_says_what_it_was_told(evals: Evals, suite_id: str) -> None:
    before = int(time.time())

    schedule = evals.create_schedule(
        name="Nightly",
        description="while nobody looks",
        suite_id=suite_id,
        suite_version=1,
        cron="30 2 * * *",
        timezone="Europe/Berlin",
        overlap_policy="buffer_one",
        run={
            "models": ["adder"],
            "task_ids": ["task"],
            "generation": {"temperature": 0},
            "concurrency": 3,
            "max_samples_per_task": 1,
        },
        metadata={"team": "quality"},
    )

    assert schedule.id.startswith("eval_schedule_")
    assert schedule.object == "eval.schedule"
    assert (schedule.cron, schedule.interval_seconds) == ("30 2 * * *", None)
    assert (schedule.timezone, schedule.overlap_policy) == ("Europe/Berlin", "buffer_one")
    assert schedule.enabled is True
    assert (schedule.suite_id, schedule.suite_version) == (suite_id, 1)
    assert schedule.run.model_dump(exclude_none=True, by_alias=True) == {
        "models": ["adder"],
        "task_ids": ["task"],
        "generation": {"temperature": 0},
        "concurrency": 3,
        "max_samples_per_task": 1,
    }
    assert schedule.metadata == {"team": "quality"}
    assert (schedule.webhook_url, schedule.webhook_configured) == (None, False)
    assert (schedule.last_run_id, schedule.last_run_at, schedule.last_run_status) == (None,) * 3
    assert schedule.next_run_at is not None
    assert before < schedule.next_run_at <= before + 25 * 3600
    assert time.gmtime(schedule.next_run_at).tm_min == 30
    assert evals.get_schedule(schedule_id=schedule.id).model_dump() == schedule.model_dump()


def test_defaults_are_those_of_the_contract(evals: Evals, hourly: Json) -> None:
    schedule = evals.create_schedule(**hourly)

    assert (schedule.timezone, schedule.overlap_policy) == ("UTC", "skip")
    assert (schedule.enabled, schedule.suite_version, schedule.description) == (True, None, None)
    assert schedule.metadata == {}


def test_a_cadence_is_changed_by_clearing_one_and_setting_the_other(
    evals: Evals, hourly: Json
) -> None:
    schedule = evals.create_schedule(**{**hourly, "interval_seconds": None, "cron": "0 9 * * *"})

    changed = evals.update_schedule(schedule_id=schedule.id, cron=None, interval_seconds=60)

    assert (changed.cron, changed.interval_seconds) == (None, 60)
    assert changed.next_run_at is not None
    assert changed.next_run_at - time.time() <= 60
    both = refused(evals.update_schedule, schedule_id=schedule.id, cron="0 9 * * *")
    assert both == (400, "one_cadence", "cron")
    neither = refused(evals.update_schedule, schedule_id=schedule.id, interval_seconds=None)
    assert neither == (400, "one_cadence", "cron")
    assert evals.get_schedule(schedule_id=schedule.id).model_dump() == changed.model_dump()


def test_what_is_not_named_in_a_change_stays(evals: Evals, hourly: Json) -> None:
    schedule = evals.create_schedule(
        **hourly, description="old", suite_version=1, metadata={"a": "b"}
    )

    renamed = evals.update_schedule(schedule_id=schedule.id, name="other")
    assert renamed.name == "other"
    assert (renamed.description, renamed.suite_version) == ("old", 1)
    assert renamed.metadata == {"a": "b"}
    assert renamed.next_run_at == schedule.next_run_at

    cleared = evals.update_schedule(
        schedule_id=schedule.id, description=None, suite_version=None, metadata={}
    )
    assert (cleared.description, cleared.suite_version, cleared.metadata) == (None, None, {})


def test_a_disabled_schedule_has_no_next_time(evals: Evals, hourly: Json) -> None:
    schedule = evals.create_schedule(**hourly, enabled=False)
    assert schedule.next_run_at is None

    enabled = evals.update_schedule(schedule_id=schedule.id, enabled=True)

    assert enabled.next_run_at is not None


def test_lists_are_pages_by_suite_and_by_whether_they_are_enabled(
    new_team: Callable[..., Team],
) -> None:
    team = new_team()
    file_id = team.upload(*sums(1))
    body = {"name": "s", "manifest": {"tasks": [task(file_id)]}}
    suites = [team.http.post("/api/v1/llm/evals/suites", json=body).json()["id"] for _ in "ab"]
    with team.sdk() as sdk:
        evals = sdk.llm.evals
        made = [
            evals.create_schedule(
                name=str(number),
                suite_id=suites[number % 2],
                run=RUN,
                interval_seconds=60 * 60,
                enabled=number < 2,
            ).id
            for number in range(4)
        ]

        first = evals.list_schedules(limit=3)
        rest = evals.list_schedules(limit=3, after=first.last_id)
        assert [entry.id for entry in [*first.data, *rest.data]] == made[::-1]
        assert (first.has_more, rest.has_more) == (True, False)
        enabled = evals.list_schedules(enabled="true")
        assert [entry.id for entry in enabled.data] == made[1::-1]
        both = evals.list_schedules(suite_id=suites[1], enabled="false")
        assert [entry.id for entry in both.data] == [made[3]]
        cursor = refused(evals.list_schedules, after=NO_SCHEDULE)
        assert cursor == (400, "invalid_cursor", "after")
        assert refused(evals.list_schedules, enabled="yes") == (400, "invalid_parameter", "enabled")


def test_a_deleted_schedule_is_gone_and_its_runs_stay(evals: Evals, hourly: Json) -> None:
    schedule = evals.create_schedule(**hourly)
    run_id = evals.trigger_schedule(schedule_id=schedule.id).last_run_id

    deleted = evals.delete_schedule(schedule_id=schedule.id)

    assert (deleted.id, deleted.deleted, deleted.object) == (
        schedule.id,
        True,
        "eval.schedule.deleted",
    )
    for call in (evals.get_schedule, evals.delete_schedule, evals.trigger_schedule):
        assert refused(call, schedule_id=schedule.id) == (404, "schedule_not_found", None)
    runs = refused(evals.list_schedule_runs, schedule_id=schedule.id)
    assert runs == (404, "schedule_not_found", None)
    assert schedule.id not in [entry.id for entry in evals.list_schedules().data]
    assert evals.get_run(run_id=str(run_id)).id == run_id


def test_a_due_schedule_starts_a_run_that_it_lists(
    stack: Stack, team: Team, evals: Evals, hourly: Json
) -> None:
    schedule = evals.create_schedule(**hourly)

    make_due(stack, schedule.id)
    after = ended(evals, schedule.id)

    assert after.last_run_status == "completed"
    assert after.next_run_at > time.time()
    listed = evals.list_schedule_runs(schedule_id=schedule.id)
    assert [run.id for run in listed.data] == [after.last_run_id]
    run = team.http.get(f"/api/v1/llm/evals/runs/{after.last_run_id}").json()
    assert run["schedule_id"] == schedule.id
    assert run["request_counts"] == {"total": 2, "completed": 2, "failed": 0}


def test_runs_of_a_schedule_are_filtered_and_paged(evals: Evals, hourly: Json) -> None:
    schedule = evals.create_schedule(**hourly)
    fired = [evals.trigger_schedule(schedule_id=schedule.id).last_run_id for _ in range(3)]

    def ids(**filters: Any) -> list[str]:
        return [run.id for run in evals.list_schedule_runs(schedule_id=schedule.id, **filters).data]

    assert ids() == fired[::-1]
    assert ids(limit=2) == fired[:0:-1]
    assert ids(limit=2, after=fired[1]) == [fired[0]]
    assert ids(suite_version=1) == fired[::-1]
    assert ids(suite_version=2) == []
    assert ids(suite_id=hourly["suite_id"]) == fired[::-1]
    assert ids(status="cancelled") == []
    foreign = refused(evals.list_schedule_runs, schedule_id=schedule.id, suite_id=NO_SUITE)
    assert foreign == (400, "suite_not_of_schedule", "suite_id")
    cursor = refused(evals.list_schedule_runs, schedule_id=schedule.id, after=NO_SUITE)
    assert cursor == (400, "invalid_cursor", "after")


def test_a_webhook_is_told_of_a_run_that_ended_and_signed(
    stack: Stack, team: Team, evals: Evals, hourly: Json, receiver: Receiver
) -> None:
    url = f"{receiver.url}/hook?for=runs"
    schedule = evals.create_schedule(**hourly, webhook_url=url, webhook_secret=SECRET)
    assert (schedule.webhook_url, schedule.webhook_configured) == (url, True)

    fired = evals.trigger_schedule(schedule_id=schedule.id)
    (told,) = receiver.until(1)

    assert told.path == "/hook?for=runs"
    assert told.is_signed_with(SECRET)
    assert not told.is_signed_with("another")
    assert told.headers["content-type"] == "application/json"
    assert told.headers["x-webhook-id"]
    document = told.document
    assert sorted(document) == ["created_at", "data", "type"]
    assert document["type"] == "eval.run.completed"
    assert abs(document["created_at"] - time.time()) < 120
    shown = team.http.get(f"/api/v1/llm/evals/runs/{fired.last_run_id}").json()
    assert document["data"] == shown
    assert SECRET not in team.http.get(f"{PATH}/{schedule.id}").text
    assert files_with(stack.state_dir, SECRET) == []


def test_without_a_secret_nothing_is_signed(evals: Evals, hourly: Json, receiver: Receiver) -> None:
    schedule = evals.create_schedule(**hourly, webhook_url=receiver.url, webhook_secret=SECRET)
    changed = evals.update_schedule(schedule_id=schedule.id, webhook_secret=None)
    assert changed.webhook_configured is False

    evals.trigger_schedule(schedule_id=schedule.id)
    (told,) = receiver.until(1)

    assert "x-webhook-signature" not in told.headers


def test_a_webhook_hears_of_cancelled_runs_and_of_no_others_runs(
    evals: Evals, hourly: Json, receiver: Receiver
) -> None:
    run = {"models": ["slow"], "concurrency": 1}
    schedule = evals.create_schedule(**{**hourly, "run": run}, webhook_url=receiver.url)
    by_hand = evals.create_run(suite_id=hourly["suite_id"], models=["adder"])
    fired = evals.trigger_schedule(schedule_id=schedule.id)
    evals.cancel_run(run_id=str(fired.last_run_id))

    (told,) = receiver.until(1)

    assert told.document["type"] in {"eval.run.cancelled", "eval.run.completed"}
    assert told.document["data"]["id"] == fired.last_run_id
    assert by_hand.id != fired.last_run_id


def test_a_webhook_that_fails_is_tried_again_with_the_same_id(
    stack: Stack, evals: Evals, hourly: Json, receiver: Receiver
) -> None:
    # A redirect is no success, and nobody follows it.
    receiver.statuses += [500, 302]
    schedule = evals.create_schedule(**hourly, webhook_url=receiver.url, webhook_secret=SECRET)
    evals.trigger_schedule(schedule_id=schedule.id)

    for tries in (1, 2):
        receiver.until(tries)
        hurry_deliveries(stack, schedule.id, tries)
    told = receiver.until(3)

    assert len({entry.headers["x-webhook-id"] for entry in told}) == 1
    assert len({entry.raw for entry in told}) == 1
    assert {entry.path for entry in told} == {"/"}


def test_a_webhook_on_an_address_of_ours_is_never_called(
    stack: Stack, evals: Evals, hourly: Json
) -> None:
    # Loopback, but not where receivers of tests are.
    url = f"http://localhost:{stack.base_url.rpartition(':')[2]}/healthz"
    schedule = evals.create_schedule(**hourly, webhook_url=url)

    evals.trigger_schedule(schedule_id=schedule.id)

    problem = '"problem":"address_not_public"'
    deadline = time.monotonic() + 60
    while not any(
        schedule.id in line and problem in line.replace(" ", "") for line in gateway_log(stack)
    ):
        assert time.monotonic() < deadline
        time.sleep(0.1)  # a poll's pause


def test_a_key_that_is_revoked_starts_no_more_runs(
    stack: Stack, team: Team, evals: Evals, hourly: Json
) -> None:
    key = new_key(stack, org="org", team=team.name)
    made = team.http.post(PATH, json=hourly, headers={"authorization": f"Bearer {key}"})
    schedule_id = made.raise_for_status().json()["id"]
    key_id = key.split("_")[1]
    proctor("keys", "revoke", key_id, "--state", str(stack.state_dir))

    make_due(stack, schedule_id)
    failed = ended(evals, schedule_id)

    assert (failed.last_run_status, failed.last_run_id) == ("failed", None)
    shown = team.http.get(f"{PATH}/{schedule_id}").json()
    assert shown["last_error"]["code"] == "schedule_key_invalid"
    evals.update_schedule(schedule_id=schedule_id, description="mine now")
    make_due(stack, schedule_id)
    deadline = time.monotonic() + 60
    while evals.get_schedule(schedule_id=schedule_id).last_run_id is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)  # a poll's pause


def test_the_end_of_a_suite_disables_its_schedules(team: Team, evals: Evals) -> None:
    body = {"name": "s", "manifest": {"tasks": [task(team.upload(*sums(1)))]}}
    suite = team.http.post("/api/v1/llm/evals/suites", json=body).json()["id"]
    schedule = evals.create_schedule(name="n", suite_id=suite, run=RUN, interval_seconds=60)

    evals.delete_suite(suite_id=suite)

    after = evals.get_schedule(schedule_id=schedule.id)
    assert (after.enabled, after.next_run_at) == (False, None)
    again = refused(evals.update_schedule, schedule_id=schedule.id, enabled=True)
    assert again == (404, "suite_not_found", None)
    fired = refused(evals.trigger_schedule, schedule_id=schedule.id)
    assert fired == (404, "suite_not_found", None)


def test_another_team_finds_no_schedule(
    new_team: Callable[..., Team], evals: Evals, hourly: Json
) -> None:
    schedule = evals.create_schedule(**hourly)
    with new_team().sdk() as sdk:
        others = sdk.llm.evals
        for call in (
            others.get_schedule,
            others.delete_schedule,
            others.trigger_schedule,
            others.list_schedule_runs,
            others.update_schedule,
        ):
            assert refused(call, schedule_id=schedule.id) == (404, "schedule_not_found", None)
        assert list(others.list_schedules().data) == []


@pytest.mark.parametrize(
    ("wrong", "reason", "param"),
    [
        ({"interval_seconds": None}, "one_cadence", "cron"),
        ({"cron": "0 9 * * *"}, "one_cadence", "cron"),
        ({"interval_seconds": 59}, "invalid_interval", "interval_seconds"),
        ({"interval_seconds": 10**9}, "invalid_interval", "interval_seconds"),
        ({"interval_seconds": None, "cron": "0 0 31 2 *"}, "cron_never_fires", "cron"),
        ({"interval_seconds": None, "cron": "0 9 * *"}, "invalid_cron", "cron"),
        ({"interval_seconds": None, "cron": "0 9 * * * *"}, "invalid_cron", "cron"),
        ({"interval_seconds": None, "cron": "61 9 * * *"}, "invalid_cron", "cron"),
        ({"interval_seconds": None, "cron": "\u0000 9 * * *"}, "invalid_json", "cron"),
        ({"timezone": "Mars/Olympus"}, "unknown_timezone", "timezone"),
        ({"timezone": "../../etc/passwd"}, "unknown_timezone", "timezone"),
        ({"timezone": "UTC\u0000"}, "invalid_json", "timezone"),
        ({"overlap_policy": "queue"}, "invalid_value", "overlap_policy"),
        ({"enabled": "true"}, "invalid_value", "enabled"),
        ({"name": ""}, "invalid_value", "name"),
        ({"name": "x" * 256}, "invalid_value", "name"),
        ({"name": "\u0000"}, "invalid_json", "name"),
        ({"description": "x" * 10_001}, "invalid_value", "description"),
        ({"suite_version": 99}, "unknown_suite_version", "suite_version"),
        ({"suite_version": 0}, "invalid_value", "suite_version"),
        ({"webhook_url": "ftp://example.org"}, "invalid_webhook_url", "webhook_url"),
        ({"webhook_url": "https://user:pw@example.org"}, "invalid_webhook_url", "webhook_url"),
        ({"webhook_url": "https://ex ample.org"}, "invalid_webhook_url", "webhook_url"),
        ({"webhook_url": "https://" + "x" * 2048}, "invalid_value", "webhook_url"),
        ({"webhook_secret": "s"}, "secret_without_webhook", "webhook_secret"),
        ({"webhook_secret": "s" * 513}, "invalid_value", "webhook_secret"),
        ({"run": None}, "invalid_value", "run"),
        ({"run": {}}, "invalid_value", "run.models"),
        ({"run": {"models": []}}, "empty_models", "run.models"),
        ({"run": {"models": ["a", "a"]}}, "duplicate_models", "run.models"),
        ({"run": {"models": [f"m{n}" for n in range(21)]}}, "too_many_models", "run.models"),
        ({"run": {**RUN, "task_ids": ["other"]}}, "unknown_task_ids", "run.task_ids"),
        ({"run": {**RUN, "concurrency": 26}}, "invalid_concurrency", "run.concurrency"),
        ({"run": {**RUN, "metadata": {}}}, "unknown_field", "run.metadata"),
        (
            {"run": {**RUN, "generation": {"temperature": 9}}},
            "invalid_generation",
            "run.generation.temperature",
        ),
        ({"metadata": {"k": "v" * 513}}, "invalid_metadata", "metadata.k"),
        ({"surprise": 1}, "unknown_field", "surprise"),
    ],
)
def test_what_a_schedule_cannot_be_is_refused_with_its_place(
    team: Team, hourly: Json, wrong: Json, reason: str, param: str
) -> None:
    answer = team.http.post(PATH, json={**hourly, **wrong})

    error = answer.json()["error"]
    assert (answer.status_code, error["reason"], error["param"]) == (400, reason, param), error


def test_a_judge_that_the_grader_needs_is_required(team: Team) -> None:
    source = "def grade(sample, item, ctx):\n    ctx.responses_create(input='x')\n    return 1.0\n"
    grader = {
        "type": "python",
        "source": source,
        "model_access": "mka1",
        "max_model_calls": 1,
        "timeout_seconds": 5,
    }
    judged = task(team.upload(*sums(1)), grader=grader)
    body = {"name": "judged", "manifest": {"tasks": [judged]}}
    suite = team.http.post("/api/v1/llm/evals/suites", json=body).raise_for_status().json()["id"]
    wanted = {"name": "n", "suite_id": suite, "run": RUN, "interval_seconds": 60}

    answer = team.http.post(PATH, json=wanted)

    error = answer.json()["error"]
    assert (answer.status_code, error["reason"]) == (400, "judge_model_required")
    assert error["param"] == "run.judge_model"
    assert team.http.post(PATH, json={**wanted, "run": {**RUN, "judge_model": "adder"}}).is_success


def test_a_suite_that_is_not_there_is_not_scheduled(evals: Evals, hourly: Json) -> None:
    assert refused(evals.create_schedule, **{**hourly, "suite_id": NO_SUITE}) == (
        404,
        "suite_not_found",
        None,
    )


def test_ids_of_another_shape_are_not_found(team: Team) -> None:
    for odd in ("x", "eval_schedule_1", NO_SUITE, "%E2%82%AC"):
        answer = team.http.get(f"{PATH}/{odd}")
        assert (answer.status_code, answer.json()["error"]["reason"]) == (404, "schedule_not_found")


def hurry_deliveries(stack: Stack, schedule_id: str, tries: int) -> None:
    """Let the next try be due, once the one before is noted."""
    statement = """
        WITH hurried AS (
            UPDATE gateway.webhook_deliveries SET next_attempt_at = now()
            WHERE schedule_id = $1 AND attempts = $2 AND claimed_until IS NULL RETURNING 1
        ) SELECT count(*) FROM hurried
    """

    async def hurried() -> int:
        connection = await asyncpg.connect(stack.postgres_dsn)
        try:
            return int(await connection.fetchval(statement, schedule_id, tries))
        finally:
            await connection.close()

    deadline = time.monotonic() + 60
    while asyncio.run(hurried()) == 0:
        assert time.monotonic() < deadline
        time.sleep(0.1)  # a poll's pause


def gateway_log(stack: Stack) -> list[str]:
    found = [
        path.read_text(errors="replace").splitlines()
        for path in stack.state_dir.rglob("*.log")
        if "gateway" in path.name
    ]
    return [line for lines in found for line in lines]


def files_with(folder: Path, text: str) -> list[Path]:
    """Logs that hold a text."""
    return [path for path in folder.rglob("*.log") if text in path.read_text(errors="replace")]
