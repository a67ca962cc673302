"""SuiteShareService over the wire, and what a share opens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from integration.orchestrator.world import World, task
from proctor.runs.v1 import run_service_pb2
from proctor.suites.v1 import share_service_pb2, suite_service_pb2
from servicekit.caller import Caller, calling_as
from servicekit.errors import RemoteError

OWNER = Caller(org_id="org", team_id="team", key_id="0123456789abcdef", is_org_admin=True)
READER = Caller(org_id="readers", team_id="any")
STRANGER = Caller(org_id="strangers", team_id="team", is_org_admin=True)
NO_SUITE = "eval_suite_" + "0" * 32


@dataclass
class Shared:
    """A suite with a completed run, and who it is shared with."""

    world: World
    suite_id: str
    run_id: str

    async def list_all(self, *, by: Caller = OWNER, suite_id: str = "") -> Any:
        request = share_service_pb2.ListSuiteSharesRequest(suite_id=suite_id or self.suite_id)
        with calling_as(by):
            return (await self.world.shares.ListSuiteShares(request)).shares

    async def share(self, org_id: str, *, by: Caller = OWNER, suite_id: str = "") -> Any:
        suite_id = suite_id or self.suite_id
        request = share_service_pb2.CreateSuiteShareRequest(suite_id=suite_id, org_id=org_id)
        with calling_as(by):
            return (await self.world.shares.CreateSuiteShare(request)).share

    async def end(self, org_id: str, *, by: Caller = OWNER, suite_id: str = "") -> Any:
        suite_id = suite_id or self.suite_id
        request = share_service_pb2.DeleteSuiteShareRequest(suite_id=suite_id, org_id=org_id)
        with calling_as(by):
            return (await self.world.shares.DeleteSuiteShare(request)).share

    async def suites(self, *, by: Caller = READER, **fields: Any) -> list[str]:
        """Ids of the suites that a caller sees, page by page."""
        found: list[str] = []
        while True:
            request = suite_service_pb2.ListSuitesRequest(**fields)
            request.page.page_size, request.page.after_id = 1, found[-1] if found else ""
            with calling_as(by):
                answer = await self.world.suites.ListSuites(request)
            found += [suite.suite_id for suite in answer.suites]
            if not answer.page.has_more:
                return found

    async def runs(self, *, by: Caller = READER, **fields: Any) -> list[str]:
        """Ids of the runs that a caller sees, page by page."""
        found: list[str] = []
        while True:
            request = run_service_pb2.ListRunsRequest(**fields)
            request.page.page_size, request.page.after_id = 1, found[-1] if found else ""
            with calling_as(by):
                answer = await self.world.runs.ListRuns(request)
            found += [run.run_id for run in answer.runs]
            if not answer.page.has_more:
                return found

    def reads(self) -> list[tuple[Any, Any]]:
        suites, runs = self.world.suites, self.world.runs
        suite: dict[str, Any] = {"suite_id": self.suite_id}
        run: dict[str, Any] = {"run_id": self.run_id}
        return [
            (suites.GetSuite, suite_service_pb2.GetSuiteRequest(**suite)),
            (suites.GetSuiteVersion, suite_service_pb2.GetSuiteVersionRequest(**suite, version=1)),
            (suites.ListSuiteVersions, suite_service_pb2.ListSuiteVersionsRequest(**suite)),
            (runs.GetRun, run_service_pb2.GetRunRequest(**run)),
            (runs.ListSamples, run_service_pb2.ListSamplesRequest(**run)),
            (runs.GetArtifacts, run_service_pb2.GetArtifactsRequest(**run)),
        ]

    def writes(self) -> list[tuple[Any, Any]]:
        suites, runs = self.world.suites, self.world.runs
        suite: dict[str, Any] = {"suite_id": self.suite_id}
        run: dict[str, Any] = {"run_id": self.run_id}
        new_run: dict[str, Any] = {
            "run_id": f"eval_run_{'a' * 32}",
            "models": ["m"],
            "generation_json": b"{}",
        }
        return [
            (suites.CreateSuiteVersion, suite_service_pb2.CreateSuiteVersionRequest(**suite)),
            (runs.CreateRun, run_service_pb2.CreateRunRequest(**suite, **new_run)),
            (runs.CancelRun, run_service_pb2.CancelRunRequest(**run)),
            (runs.RerunFailedSamples, run_service_pb2.RerunFailedSamplesRequest(**run)),
            (runs.RetryRun, run_service_pb2.RetryRunRequest(**run)),
            (runs.DeleteRun, run_service_pb2.DeleteRunRequest(**run)),
            (suites.DeleteSuite, suite_service_pb2.DeleteSuiteRequest(**suite)),
        ]


@asynccontextmanager
async def a_shared_suite(world: World) -> AsyncIterator[Shared]:
    """A suite with a run that completed, shared with READER's organisation."""
    world.caller = OWNER
    async with world.neighbours(), world.orchestrator():
        suite_id = await world.create_suite(task(world.rows(2)))
        run_id = await world.create_run(suite_id)
        await world.ended(run_id)
        shared = Shared(world, suite_id, run_id)
        await shared.share(READER.org_id)
        yield shared


async def refusal(call: Any, request: Any, *, by: Caller) -> str:
    """The reason of a call that is refused."""
    with calling_as(by), pytest.raises(RemoteError) as refused:
        await call(request)
    return str(refused.value.reason)


async def test_a_share_opens_the_suite_its_versions_and_its_runs_to_read(world: World) -> None:
    async with a_shared_suite(world) as shared:
        with calling_as(READER):
            answers = [await call(request) for call, request in shared.reads()]
        suite, version, versions, run, samples, artifacts = answers
        assert await shared.suites() == [shared.suite_id]
        assert await shared.runs() == [shared.run_id]

    assert suite.suite.shared
    assert (suite.suite.org_id, suite.suite.team_id) == ("org", "team")
    assert version.version == versions.versions[0]
    assert run.run.request_counts.completed == len(samples.samples) == 2
    assert not run.run.artifact_file_ids
    assert not artifacts.ListFields()


async def test_the_owner_sees_its_suite_as_its_own_and_its_artifacts(world: World) -> None:
    async with a_shared_suite(world) as shared:
        with calling_as(OWNER):
            suite, *_, artifacts = [await call(request) for call, request in shared.reads()]
        run = await world.get_run(shared.run_id)

    assert not suite.suite.shared
    assert [artifacts.result_file_id, artifacts.samples_file_id] == list(run.artifact_file_ids)


async def test_a_list_of_runs_names_no_artifacts_of_others(world: World) -> None:
    async with a_shared_suite(world):
        with calling_as(READER):
            answer = await world.runs.ListRuns(run_service_pb2.ListRunsRequest())

    assert [list(run.artifact_file_ids) for run in answer.runs] == [[]]


async def test_nothing_of_it_can_be_changed_or_run_by_whom_it_is_shared_with(world: World) -> None:
    async with a_shared_suite(world) as shared:
        for call, request in shared.writes():
            assert await refusal(call, request, by=READER) == "SHARED_READ_ONLY"
        assert (await world.get_run(shared.run_id)).request_counts.completed == 2


async def test_who_it_is_not_shared_with_does_not_learn_that_it_exists(world: World) -> None:
    async with a_shared_suite(world) as shared:
        for other in (STRANGER, Caller(org_id="org", team_id="other")):
            for call, request in shared.reads() + shared.writes():
                reason = await refusal(call, request, by=other)
                assert reason in {"SUITE_NOT_FOUND", "RUN_NOT_FOUND"}
            assert await shared.suites(by=other) == []
            assert await shared.runs(by=other) == []


async def test_a_share_that_ended_is_closed_at_once(world: World) -> None:
    async with a_shared_suite(world) as shared:
        (before,) = await shared.list_all()
        ended = await shared.end(READER.org_id)

        assert ended == before
        assert await shared.list_all() == []
        assert await shared.runs() == await shared.suites() == []
        for call, request in shared.reads():
            assert (await refusal(call, request, by=READER)).endswith("_NOT_FOUND")


async def test_a_deleted_suite_is_gone_with_its_shares(world: World) -> None:
    async with a_shared_suite(world) as shared:
        request = suite_service_pb2.DeleteSuiteRequest(suite_id=shared.suite_id)
        with calling_as(OWNER):
            await world.suites.DeleteSuite(request)

        assert await world.query("SELECT FROM suite_shares") == []
        assert await shared.suites() == await shared.runs() == []


async def test_lists_mix_own_and_shared_newest_first_unless_only_own_are_wanted(
    world: World,
) -> None:
    async with a_shared_suite(world) as shared:
        own = [await _own_suite_and_run(world, READER)]
        newer_suite = await world.create_suite(task("file_rows"))
        newer_run = await world.create_run(newer_suite)
        await shared.share(READER.org_id, suite_id=newer_suite)
        own = [await _own_suite_and_run(world, READER), *own]

        expected = list(zip(*[own[0], (newer_suite, newer_run), own[1]], strict=True))
        assert await shared.suites() == [*expected[0], shared.suite_id]
        assert await shared.runs() == [*expected[1], shared.run_id]
        assert await shared.suites(owned_only=True) == [suite for suite, _ in own]
        assert await shared.runs(owned_only=True) == [run for _, run in own]
        assert await shared.runs(suite_id=newer_suite) == [newer_run]
        assert await shared.runs(suite_id=newer_suite, owned_only=True) == []


async def test_a_cursor_is_of_the_view_that_is_asked_for(world: World) -> None:
    async with a_shared_suite(world) as shared:
        suites = suite_service_pb2.ListSuitesRequest(owned_only=True)
        suites.page.after_id = shared.suite_id
        runs = run_service_pb2.ListRunsRequest(owned_only=True)
        runs.page.after_id = shared.run_id

        assert await refusal(world.suites.ListSuites, suites, by=READER) == "INVALID_CURSOR"
        assert await refusal(world.runs.ListRuns, runs, by=READER) == "INVALID_CURSOR"


async def test_a_repeated_share_is_the_one_that_there_is(world: World) -> None:
    async with a_shared_suite(world) as shared:
        (first,) = await shared.list_all()
        async with asyncio.TaskGroup() as tasks:
            again = [tasks.create_task(shared.share(READER.org_id)) for _ in range(5)]

        assert [share.result() for share in again] == [first] * 5
        assert await shared.list_all() == [first]
    assert first.granted_by == OWNER.key_id
    assert first.create_time.seconds > 0
    assert (first.suite_id, first.org_id) == (shared.suite_id, READER.org_id)


async def test_one_share_that_many_make_at_once_is_one(world: World) -> None:
    async with a_shared_suite(world) as shared:
        async with asyncio.TaskGroup() as tasks:
            made = [tasks.create_task(shared.share("another")) for _ in range(30)]

        assert len({share.result().share_id for share in made}) == 1


async def test_shares_are_listed_to_every_key_of_the_team_oldest_first(world: World) -> None:
    async with a_shared_suite(world) as shared:
        await shared.share("another")

        listed = await shared.list_all(by=Caller(org_id="org", team_id="team"))

    assert [share.org_id for share in listed] == [READER.org_id, "another"]


async def test_a_suite_has_at_most_100_shares_also_when_they_are_made_at_once(world: World) -> None:
    async with a_shared_suite(world) as shared:
        for number in range(97):
            await shared.share(f"org-{number}")
        async with asyncio.TaskGroup() as tasks:
            last = [tasks.create_task(_reason(shared.share(f"last-{n}"))) for n in range(30)]

        assert sorted(made.result() for made in last) == ["", ""] + ["TOO_MANY_SHARES"] * 28
        assert len(await shared.list_all()) == 100
        assert await _reason(shared.share(READER.org_id)) == ""


@pytest.mark.parametrize(
    ("org_id", "reason"),
    [
        ("org", "SHARED_WITH_OWNER"),
        ("", "INVALID_ORG_ID"),
        ("a.b", "INVALID_ORG_ID"),
        ("x" * 65, "INVALID_ORG_ID"),
        ("a\x00", "INVALID_ORG_ID"),
        ("org\n", "INVALID_ORG_ID"),
        ("x" * 64, ""),
    ],
)
async def test_only_another_organisation_can_be_shared_with(
    world: World, org_id: str, reason: str
) -> None:
    async with a_shared_suite(world) as shared:
        assert await _reason(shared.share(org_id)) == reason


@pytest.mark.parametrize("org_id", ["nobody", "", "a\x00", "x" * 300])
async def test_a_share_that_is_not_there_cannot_be_ended(world: World, org_id: str) -> None:
    async with a_shared_suite(world) as shared:
        assert await _reason(shared.end(org_id)) == "SHARE_NOT_FOUND"


async def test_only_org_admins_share_and_nobody_does_for_an_end_user(world: World) -> None:
    member = replace(OWNER, is_org_admin=False)
    delegated = replace(OWNER, on_behalf_of="user")
    async with a_shared_suite(world) as shared:
        assert await _reason(shared.share("another", by=member)) == "ORG_ADMIN_REQUIRED"
        assert await _reason(shared.end(READER.org_id, by=member)) == "ORG_ADMIN_REQUIRED"
        assert await _reason(shared.list_all(by=delegated)) == "DELEGATED_CONTEXT"
        assert await _reason(shared.share("another", by=delegated)) == "DELEGATED_CONTEXT"
        assert await _reason(shared.end(READER.org_id, by=delegated)) == "DELEGATED_CONTEXT"
        assert [share.org_id for share in await shared.list_all()] == [READER.org_id]


@pytest.mark.parametrize("by", [READER, replace(READER, is_org_admin=True), STRANGER])
async def test_the_shares_of_others_suites_are_not_there(world: World, by: Caller) -> None:
    async with a_shared_suite(world) as shared:
        assert await _reason(shared.list_all(by=by)) == "SUITE_NOT_FOUND"
        assert await _reason(shared.share("another", by=by)) == "SUITE_NOT_FOUND"
        assert await _reason(shared.end(READER.org_id, by=by)) == "SUITE_NOT_FOUND"
        assert await _reason(shared.share("another", suite_id=NO_SUITE)) == "SUITE_NOT_FOUND"


async def _own_suite_and_run(world: World, caller: Caller) -> tuple[str, str]:
    """Ids of a new suite of another caller's and a run of it."""
    before, world.caller = world.caller, caller
    world.rows(1, file_id="file_of_reader")
    suite_id = await world.create_suite(task("file_of_reader"))
    run_id = await world.create_run(suite_id)
    world.caller = before
    return suite_id, run_id


async def _reason(asked: Any) -> str:
    """The reason of a refusal, or nothing."""
    try:
        await asked
    except RemoteError as error:
        return str(error.reason)
    return ""
