"""SuiteService over the wire."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from integration.orchestrator.world import CALLER, GRADER, World, task
from proctor.suites.v1 import suite_service_pb2 as pb
from servicekit.caller import Caller, calling_as
from servicekit.errors import Kind, RemoteError

OTHER_TEAM = Caller(org_id="org", team_id="other")
NO_SUITE = "eval_suite_" + "0" * 32


@asynccontextmanager
async def serving(world: World) -> AsyncIterator[Any]:
    async with world.neighbours(), world.orchestrator():
        with calling_as(CALLER):
            yield world.suites


def manifest(*tasks: dict[str, Any]) -> bytes:
    return json.dumps({"tasks": tasks}).encode()


async def test_a_suite_comes_back_as_it_was_created(world: World) -> None:
    async with serving(world) as suites:
        request = pb.CreateSuiteRequest(
            name="suite",
            description="what for",
            manifest_json=manifest(task(world.rows(1))),
            metadata={"key": "value\x00"},
        )
        created = (await suites.CreateSuite(request)).suite
        found = (await suites.GetSuite(pb.GetSuiteRequest(suite_id=created.suite_id))).suite

    assert found == created
    assert (found.active_version, found.latest_version) == (1, 1)
    assert (found.org_id, found.team_id) == ("org", "team")
    assert dict(found.metadata) == {"key": "value\x00"}


async def test_a_version_holds_the_manifest_with_its_defaults(world: World) -> None:
    examples = world.rows(1, file_id="file_examples")
    fewshot = {"count": 1, "dataset": {"file_id": examples}}
    async with serving(world) as suites:
        suite_id = await world.create_suite(task(world.rows(1), fewshot=fewshot))
        request = pb.GetSuiteVersionRequest(suite_id=suite_id, version=1)
        version = (await suites.GetSuiteVersion(request)).version

    stored = json.loads(version.manifest_json)
    assert stored["tasks"][0]["dataset"]["format"] == "jsonl"
    assert stored["tasks"][0]["grader"]["timeout_seconds"] == 120
    assert list(version.dataset_file_ids) == ["file_rows", "file_examples"]


async def test_concurrent_versions_get_consecutive_numbers(world: World) -> None:
    async with serving(world) as suites:
        suite_id = await world.create_suite(task(world.rows(1)))
        request = pb.CreateSuiteVersionRequest(
            suite_id=suite_id, manifest_json=manifest(task("file_rows"))
        )

        async with asyncio.TaskGroup() as tasks:
            made = [tasks.create_task(_ask(suites.CreateSuiteVersion, request)) for _ in range(5)]

        numbers = sorted(created.result().version.version for created in made)
        suite = (await suites.GetSuite(pb.GetSuiteRequest(suite_id=suite_id))).suite
    assert numbers == [2, 3, 4, 5, 6]
    assert (suite.active_version, suite.latest_version) in {(n, 6) for n in numbers}


async def test_a_staged_version_leaves_the_active_one(world: World) -> None:
    async with serving(world) as suites:
        suite_id = await world.create_suite(task(world.rows(1)))
        request = pb.CreateSuiteVersionRequest(
            suite_id=suite_id, manifest_json=manifest(task("file_rows")), stage_only=True
        )
        await suites.CreateSuiteVersion(request)
        suite = (await suites.GetSuite(pb.GetSuiteRequest(suite_id=suite_id))).suite

    assert (suite.active_version, suite.latest_version) == (1, 2)
    assert suite.update_time.ToNanoseconds() > suite.create_time.ToNanoseconds()


async def test_all_problems_of_files_and_programs_come_in_one_answer(world: World) -> None:
    world.importer.add("file_odd", b"", name="rows.txt")
    tasks = (
        task("file_odd", id="a", prompt_template="{% if %}"),
        task("file_missing", id="b", grader={"type": "python", "source": "x = 1"}),
    )
    async with serving(world) as suites:
        request = pb.CreateSuiteRequest(name="suite", manifest_json=manifest(*tasks))
        with pytest.raises(RemoteError) as refused:
            await suites.CreateSuite(request)

    assert refused.value.kind is Kind.INVALID_ARGUMENT
    found = {(problem.path, problem.reason) for problem in refused.value.violations}
    assert found == {
        ("manifest.tasks[0].dataset.file_id", "FILE_WRONG_FORMAT"),
        ("manifest.tasks[0].prompt_template", "TEMPLATE_SYNTAX"),
        ("manifest.tasks[1].dataset.file_id", "FILE_NOT_FOUND"),
        ("manifest.tasks[1].grader.source", "GRADER_ENTRYPOINT_MISSING"),
    }
    assert refused.value.violations[0].path.startswith("manifest.tasks[0]")
    assert refused.value.metadata["param"] == refused.value.violations[0].path


async def test_a_file_for_something_else_or_too_large_a_program_is_refused(world: World) -> None:
    world.rows(1)
    world.importer.files["team", "file_rows"][0].purpose = "assistants"
    world.importer.add("file_grader", b"#" * (1024 * 1024 + 1), name="grader.py")
    grader = {"type": "python", "file_id": "file_grader"}
    async with serving(world) as suites:
        body = manifest(task("file_rows", grader=grader))
        with pytest.raises(RemoteError) as refused:
            await suites.CreateSuite(pb.CreateSuiteRequest(name="suite", manifest_json=body))

    reasons = [problem.reason for problem in refused.value.violations]
    assert reasons == ["FILE_WRONG_PURPOSE", "FILE_WRONG_FORMAT"]


async def test_a_dataset_of_the_hub_is_not_looked_at_when_the_version_is_made(
    world: World,
) -> None:
    hub = {"path": "openai/gsm8k", "dataset_kwargs": {"trust_remote_code": True}}
    fewshot = {"count": 1, "dataset": hub}
    async with serving(world) as suites:
        body = manifest(task("", dataset=hub), task(world.rows(1), id="b", fewshot=fewshot))
        made = await suites.CreateSuite(pb.CreateSuiteRequest(name="suite", manifest_json=body))

    assert made.suite.suite_id


async def test_a_manifest_that_breaks_rules_hears_of_its_files_in_the_same_answer(
    world: World,
) -> None:
    async with serving(world) as suites:
        body = manifest({"id": "a", "type": "qa"}, task("file_missing", id="a"))
        with pytest.raises(RemoteError) as refused:
            await suites.CreateSuite(pb.CreateSuiteRequest(name="suite", manifest_json=body))

    reasons = {problem.reason for problem in refused.value.violations}
    assert {"DUPLICATE_TASK_ID", "FILE_NOT_FOUND"} <= reasons


async def test_a_suite_without_a_name_is_refused(world: World) -> None:
    async with serving(world) as suites:
        body = manifest(task(world.rows(1)))
        with pytest.raises(RemoteError) as refused:
            await suites.CreateSuite(pb.CreateSuiteRequest(name="", manifest_json=body))

    assert (refused.value.reason, refused.value.metadata["param"]) == ("INVALID_NAME", "name")


async def test_suites_are_listed_newest_first_page_by_page(world: World) -> None:
    async with serving(world) as suites:
        file_id = world.rows(1)
        made = [await world.create_suite(task(file_id)) for _ in range(5)]

        found, after = [], ""
        while True:
            request = pb.ListSuitesRequest()
            request.page.page_size, request.page.after_id = 2, after
            answer = await suites.ListSuites(request)
            found += [suite.suite_id for suite in answer.suites]
            if not answer.page.has_more:
                break
            after = found[-1]

    assert found == made[::-1]


async def test_versions_are_listed_highest_first_after_a_version(world: World) -> None:
    async with serving(world) as suites:
        suite_id = await world.create_suite(task(world.rows(1)))
        for _ in range(2):
            body = manifest(task("file_rows"))
            await suites.CreateSuiteVersion(
                pb.CreateSuiteVersionRequest(suite_id=suite_id, manifest_json=body)
            )
        request = pb.ListSuiteVersionsRequest(suite_id=suite_id)
        whole = (await suites.ListSuiteVersions(request)).versions
        request.page.after_id = whole[0].suite_version_id
        rest = (await suites.ListSuiteVersions(request)).versions

    assert [version.version for version in whole] == [3, 2, 1]
    assert list(rest) == list(whole)[1:]


@pytest.mark.parametrize("cursor", ["nonsense", "a\x00", NO_SUITE])
async def test_a_cursor_that_is_no_suite_of_the_team_is_refused(world: World, cursor: str) -> None:
    async with serving(world) as suites:
        suite_id = await world.create_suite(task(world.rows(1)))
        request, versions = pb.ListSuitesRequest(), pb.ListSuiteVersionsRequest(suite_id=suite_id)
        request.page.after_id = versions.page.after_id = cursor
        for call, question in (
            (suites.ListSuites, request),
            (suites.ListSuiteVersions, versions),
        ):
            with pytest.raises(RemoteError) as refused:
                await call(question)
            assert refused.value.reason == "INVALID_CURSOR"


async def test_another_teams_suite_is_not_there(world: World) -> None:
    async with serving(world) as suites:
        suite_id = await world.create_suite(task(world.rows(1)))
        questions = (
            (suites.GetSuite, pb.GetSuiteRequest(suite_id=suite_id)),
            (suites.GetSuiteVersion, pb.GetSuiteVersionRequest(suite_id=suite_id, version=1)),
            (suites.ListSuiteVersions, pb.ListSuiteVersionsRequest(suite_id=suite_id)),
            (suites.CreateSuiteVersion, pb.CreateSuiteVersionRequest(suite_id=suite_id)),
        )
        with calling_as(OTHER_TEAM):
            for call, question in questions:
                with pytest.raises(RemoteError) as refused:
                    await call(question)
                assert refused.value.reason == "SUITE_NOT_FOUND"
            assert not (await suites.ListSuites(pb.ListSuitesRequest())).suites


async def test_a_version_that_is_not_there_is_told(world: World) -> None:
    async with serving(world) as suites:
        suite_id = await world.create_suite(task(world.rows(1)))
        for version in (0, -1, 2):
            request = pb.GetSuiteVersionRequest(suite_id=suite_id, version=version)
            with pytest.raises(RemoteError) as refused:
                await suites.GetSuiteVersion(request)
            assert refused.value.reason == "SUITE_VERSION_NOT_FOUND"


async def test_the_same_grader_source_may_stand_in_many_tasks(world: World) -> None:
    file_id = world.rows(1)
    grader = {"type": "python", "source": GRADER + "#" * 200_000}
    tasks = [task(file_id, id=f"t{n}", grader=grader) for n in range(15)]
    async with serving(world):
        assert await world.create_suite(*tasks)


async def _ask(call: Any, request: Any) -> Any:
    return await call(request)
