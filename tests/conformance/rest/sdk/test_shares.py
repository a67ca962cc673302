"""Shares between organisations, through the published client."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from meetkai_mka1 import SDK, errors

from conformance.rest.teams import Belongings, Team
from servicekit.ids import new_id

# The first test starts the stack and has a run made, on a machine that may have much else to do.
pytestmark = pytest.mark.timeout(600)

NOWHERE = f"eval_suite_{'0' * 32}"


@dataclass(frozen=True, slots=True)
class Parties:
    """An owner with a suite and a completed run, and a team of the organisation it shares with."""

    owner: Team
    reader: Team
    ids: dict[str, str]

    @property
    def suite_id(self) -> str:
        return self.ids["suite_id"]

    @property
    def run_id(self) -> str:
        return self.ids["run_id"]


@pytest.fixture(scope="module")
def owned(team: Team) -> Belongings:
    return team.belongings()


@pytest.fixture
def parties(team: Team, owned: Belongings, new_team: Callable[..., Team]) -> Parties:
    """Nothing is shared with the reader's organisation yet."""
    return Parties(team, new_team(org=new_id("org")), owned.ids)


@pytest.fixture
def shared(parties: Parties) -> Parties:
    with parties.owner.sdk() as sdk:
        sdk.llm.evals.create_suite_share(suite_id=parties.suite_id, org_id=parties.reader.org)
    return parties


def refused(call: Callable[..., Any], **arguments: Any) -> tuple[int, str, str | None]:
    """Status, reason and param of a refusal."""
    with pytest.raises(errors.SDKDefaultError) as caught:
        call(**arguments)
    error = json.loads(caught.value.body)["error"]
    assert error["code"] == caught.value.status_code
    return caught.value.status_code, error["reason"], error["param"]


def test_a_share_is_made_listed_and_ended(parties: Parties) -> None:
    about = {"suite_id": parties.suite_id, "org_id": parties.reader.org}
    with parties.owner.sdk() as sdk:
        evals = sdk.llm.evals
        before = evals.list_suite_shares(suite_id=parties.suite_id).data

        made = evals.create_suite_share(**about)
        again = evals.create_suite_share(**about)
        listed = evals.list_suite_shares(suite_id=parties.suite_id)
        ended = evals.delete_suite_share(**about)

        assert evals.list_suite_shares(suite_id=parties.suite_id).data == before

    assert made.id.startswith("eval_share_")
    assert (made.suite_id, made.org_id) == (parties.suite_id, parties.reader.org)
    assert made.granted_by in parties.owner.http.headers["authorization"]
    assert made.created_at > 1_790_000_000
    assert again == made
    assert listed.data == [*before, made]
    assert (ended.id, ended.deleted) == (made.id, True)
    assert ended.object == "eval.suite.share.deleted"


def test_every_read_of_a_shared_suite_and_its_runs_is_open(shared: Parties) -> None:
    suite, run = {"suite_id": shared.suite_id}, {"run_id": shared.run_id}
    with shared.owner.sdk() as owner, shared.reader.sdk() as reader:
        mine, theirs = owner.llm.evals, reader.llm.evals

        assert theirs.get_suite(**suite).access == "shared"
        assert mine.get_suite(**suite).access == "owner"
        assert theirs.get_suite_version(**suite, version=1) == mine.get_suite_version(
            **suite, version=1
        )
        assert theirs.list_suite_versions(**suite) == mine.list_suite_versions(**suite)
        assert theirs.list_samples(**run) == mine.list_samples(**run)
        assert [found.id for found in theirs.list_suites().data] == [shared.suite_id]
        assert [found.id for found in theirs.list_runs(**suite).data] == [shared.run_id]
        assert theirs.get_run(**run).metrics == mine.get_run(**run).metrics
        assert theirs.get_run(**run).team_id == shared.owner.name


def test_files_and_artifacts_of_a_shared_run_stay_closed(shared: Parties) -> None:
    with shared.owner.sdk() as owner, shared.reader.sdk() as reader:
        files = owner.llm.evals.get_artifacts(run_id=shared.run_id).artifact_file_ids
        artifacts = reader.llm.evals.get_artifacts(run_id=shared.run_id)

        assert len(files) == 2
        assert (artifacts.result_file_id, artifacts.samples_file_id) == (None, None)
        assert artifacts.artifact_file_ids == []
        assert reader.llm.evals.get_run(run_id=shared.run_id).artifact_file_ids == []
        assert [run.artifact_file_ids for run in reader.llm.evals.list_runs().data] == [[]]
    for file_id in (*files, shared.ids["file_id"]):
        for path in (f"files/{file_id}", f"files/{file_id}/content"):
            assert shared.reader.http.get(f"/api/v1/llm/{path}").status_code == 404


def test_owned_only_leaves_out_what_is_shared(shared: Parties) -> None:
    own = shared.reader.belongings()
    with shared.reader.sdk() as sdk:
        evals = sdk.llm.evals

        assert [s.id for s in evals.list_suites().data] == [own.ids["suite_id"], shared.suite_id]
        assert [s.id for s in evals.list_suites(owned_only=True).data] == [own.ids["suite_id"]]
        assert [r.id for r in evals.list_runs().data] == [own.ids["run_id"], shared.run_id]
        assert [r.id for r in evals.list_runs(owned_only=True).data] == [own.ids["run_id"]]


def test_pages_go_through_own_and_shared_alike(shared: Parties) -> None:
    own = shared.reader.belongings()
    with shared.reader.sdk() as sdk:
        evals = sdk.llm.evals
        suites, runs = evals.list_suites(limit=1), evals.list_runs(limit=1)
        assert suites.has_more
        assert runs.has_more

        more_suites = evals.list_suites(limit=1, after=suites.last_id)
        more_runs = evals.list_runs(limit=1, after=runs.last_id)

        assert suites.last_id == own.ids["suite_id"]
        assert ([s.id for s in more_suites.data], more_suites.has_more) == (
            [shared.suite_id],
            False,
        )
        assert ([r.id for r in more_runs.data], more_runs.has_more) == ([shared.run_id], False)
        assert evals.list_suites(after=shared.suite_id).data == []
        assert refused(evals.list_suites, after=shared.suite_id, owned_only=True) == (
            400,
            "invalid_cursor",
            "after",
        )


def test_what_is_shared_is_not_changed_by_its_readers(shared: Parties) -> None:
    run = {"run_id": shared.run_id}
    with shared.owner.sdk() as owner, shared.reader.sdk() as reader:
        evals = reader.llm.evals
        before = owner.llm.evals.get_run(**run)
        manifest: Any = {"tasks": []}
        for call, arguments in (
            (evals.create_suite_version, {"suite_id": shared.suite_id, "manifest": manifest}),
            (evals.create_run, {"suite_id": shared.suite_id, "models": ["adder"]}),
            (evals.cancel_run, run),
            (evals.rerun_failed_samples, run),
            (evals.retry_failed_run, run),
            (evals.delete_run, run),
            (evals.delete_suite, {"suite_id": shared.suite_id}),
        ):
            assert refused(call, **arguments) == (403, "shared_read_only", None), call

        assert owner.llm.evals.get_run(**run) == before


def test_every_team_of_the_organisation_reads_and_nobody_else(
    shared: Parties, new_team: Callable[..., Team]
) -> None:
    other_team, other_org = new_team(org=shared.reader.org), new_team(org=new_id("org"))
    same_org = new_team(org=shared.owner.org)
    with other_team.sdk() as sdk:
        assert sdk.llm.evals.get_run(run_id=shared.run_id).id == shared.run_id
    for outsider in (other_org, same_org):
        with outsider.sdk() as sdk:
            assert refused(sdk.llm.evals.get_run, run_id=shared.run_id)[0] == 404
            assert sdk.llm.evals.list_runs().data == []


def test_an_ended_share_closes_at_once(shared: Parties) -> None:
    with shared.owner.sdk() as owner, shared.reader.sdk() as reader:
        owner.llm.evals.delete_suite_share(suite_id=shared.suite_id, org_id=shared.reader.org)

        evals = reader.llm.evals
        assert refused(evals.get_suite, suite_id=shared.suite_id)[:2] == (404, "suite_not_found")
        assert refused(evals.get_run, run_id=shared.run_id)[:2] == (404, "run_not_found")
        assert refused(evals.list_samples, run_id=shared.run_id)[:2] == (404, "run_not_found")
        assert evals.list_suites().data == evals.list_runs().data == []


def test_a_deleted_suite_is_gone_for_its_readers(new_team: Callable[..., Team]) -> None:
    owner, reader = new_team(), new_team(org=new_id("org"))
    ids = owner.belongings().ids
    with owner.sdk() as mine, reader.sdk() as theirs:
        mine.llm.evals.create_suite_share(suite_id=ids["suite_id"], org_id=reader.org)
        mine.llm.evals.delete_suite(suite_id=ids["suite_id"])

        assert refused(theirs.llm.evals.get_run, run_id=ids["run_id"])[0] == 404
        assert theirs.llm.evals.list_suites().data == []
        assert refused(mine.llm.evals.list_suite_shares, suite_id=ids["suite_id"])[0] == 404


def share_calls(sdk: SDK, suite_id: str, org_id: str) -> list[tuple[Callable[..., Any], Any]]:
    evals = sdk.llm.evals
    about = {"suite_id": suite_id, "org_id": org_id}
    return [
        (evals.list_suite_shares, {"suite_id": suite_id}),
        (evals.create_suite_share, about),
        (evals.delete_suite_share, about),
    ]


def test_an_end_user_has_nothing_to_do_with_shares(shared: Parties) -> None:
    with shared.owner.sdk() as sdk:
        for call, arguments in share_calls(sdk, shared.suite_id, shared.reader.org):
            found = refused(call, **arguments, x_on_behalf_of="user-1")
            assert found == (403, "delegated_context", None)


def test_only_org_admins_share_but_the_whole_team_sees_with_whom(
    shared: Parties, new_team: Callable[..., Team]
) -> None:
    member = new_team(org=shared.owner.org, name=shared.owner.name, admin=False)
    with member.sdk() as sdk:
        listing, *changes = share_calls(sdk, shared.suite_id, shared.reader.org)

        assert shared.reader.org in [share.org_id for share in listing[0](**listing[1]).data]
        for call, arguments in changes:
            assert refused(call, **arguments) == (403, "org_admin_required", None)


def test_readers_do_not_learn_with_whom_else_it_is_shared(shared: Parties) -> None:
    with shared.reader.sdk() as sdk:
        for call, arguments in share_calls(sdk, shared.suite_id, shared.reader.org):
            assert refused(call, **arguments)[:2] == (404, "suite_not_found")


def test_a_suite_that_there_is_not_has_no_shares(parties: Parties) -> None:
    with parties.owner.sdk() as sdk:
        for suite_id in (NOWHERE, "nonsense"):
            for call, arguments in share_calls(sdk, suite_id, parties.reader.org):
                assert refused(call, **arguments)[:2] == (404, "suite_not_found")


@pytest.mark.parametrize(
    ("org_id", "reason"),
    [
        ("org", "shared_with_owner"),
        ("a b", "invalid_org_id"),
        ("a.b", "invalid_org_id"),
        ("", "invalid_value"),
        ("x" * 65, "invalid_value"),
    ],
)
def test_only_another_organisation_can_be_shared_with(
    org_id: str, reason: str, parties: Parties
) -> None:
    with parties.owner.sdk() as sdk:
        about = {"suite_id": parties.suite_id, "org_id": org_id}
        assert refused(sdk.llm.evals.create_suite_share, **about) == (400, reason, "org_id")


def test_a_share_that_there_is_not_cannot_be_ended(parties: Parties) -> None:
    with parties.owner.sdk() as sdk:
        for org_id in ("nobody", "a b", "x" * 300):
            about = {"suite_id": parties.suite_id, "org_id": org_id}
            found = refused(sdk.llm.evals.delete_suite_share, **about)
            assert found[:2] == (404, "share_not_found")


def test_a_suite_has_at_most_100_shares(new_team: Callable[..., Team]) -> None:
    owner = new_team()
    suite_id = owner.belongings().ids["suite_id"]
    with owner.sdk() as sdk:
        evals = sdk.llm.evals
        for number in range(99):  # it has one
            evals.create_suite_share(suite_id=suite_id, org_id=f"org-{number}")

        one_more = {"suite_id": suite_id, "org_id": "one-more"}
        assert refused(evals.create_suite_share, **one_more)[:2] == (409, "too_many_shares")
        assert evals.create_suite_share(suite_id=suite_id, org_id="org-0").org_id == "org-0"
        evals.delete_suite_share(suite_id=suite_id, org_id="org-0")
        assert evals.create_suite_share(**one_more).org_id == "one-more"
