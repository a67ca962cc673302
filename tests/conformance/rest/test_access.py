"""Every operation asked by everybody, with and without a good key, scope, share or end user.

The operations come from the OpenAPI document, so a new one fails here until it has a row.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from conformance.rest.matrix import NUMBERS, ROWS, Asker
from conformance.rest.teams import CANARY, SCOPES, Belongings, Team, key_by_command
from e2e.stack import Stack

# The first test starts the stack and has a run made, on a machine that may have much else to do.
pytestmark = pytest.mark.timeout(600)

Json = dict[str, Any]

TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error"}


@pytest.fixture(scope="module")
def owned(team: Team) -> Belongings:
    return team.belongings()


@pytest.fixture
def stranger(stack: Stack, document: Json, owned: Belongings) -> Iterator[Asker]:
    """Somebody without a key who knows every id."""
    with httpx.Client(base_url=stack.base_url, timeout=60) as http:
        yield Asker(document, http, owned)


@pytest.fixture
def untouched(team: Team, owned: Belongings) -> Iterator[None]:
    """The team sees after the test what it saw before."""
    before = team.sees()
    yield
    assert team.sees() == before


def test_every_operation_of_the_document_has_a_row(document: Json) -> None:
    operations = [
        operation for methods in document["paths"].values() for operation in methods.values()
    ]

    assert {operation["operationId"] for operation in operations} == set(ROWS)


def wrong_keys(key: str) -> Json:
    head, secret = key.rsplit("_", 1)
    other = "0" if secret[0] != "0" else "1"
    return {
        "none": {},
        "empty": {"authorization": ""},
        "scheme": {"authorization": f"Basic {key}"},
        "bare": {"authorization": key},
        "no secret": {"authorization": f"Bearer {head}_"},
        "wrong secret": {"authorization": f"Bearer {head}_{other}{secret[1:]}"},
        "unknown": {"authorization": f"Bearer prk_{'0' * 16}_{secret}"},
        "longer": {"authorization": f"Bearer {key}0"},
        "text": {"authorization": "Bearer m\xfcller%00'\""},
    }


KINDS = tuple(wrong_keys("prk_0_0"))


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("kind", KINDS)
def test_without_a_good_key_everything_is_401(kind: str, team: Team, stranger: Asker) -> None:
    headers = wrong_keys(team.http.headers["authorization"].removeprefix("Bearer "))[kind]

    for name, answer in stranger.ask(**headers):
        expect_refusal(name, answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("scope", SCOPES)
def test_all_other_scopes_together_do_not_replace_the_one_that_is_needed(
    scope: str, stack: Stack, stranger: Asker
) -> None:
    others = (other for other in SCOPES if other != scope)
    key = key_by_command(stack, *others, org="org", team="scopes")

    answers = dict(stranger.ask(authorization=f"Bearer {key}"))

    for name, answer in answers.items():
        if ROWS[name].scope == scope:
            expect_refusal(name, answer, 403)
        else:
            assert answer.status_code == ROWS[name].outsider, (name, answer.text)


@pytest.fixture(scope="module", params=["team", "org"])
def outsiders(request: pytest.FixtureRequest, team: Team, new_team: Callable[..., Team]) -> Team:
    """Another team of the org, and a team of the same name in another org."""
    return new_team() if request.param == "team" else new_team(org="other", name=team.name)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("on_behalf_of", [{}, {"X-On-Behalf-Of": "user-1"}], ids=["own", "user"])
def test_other_teams_and_orgs_see_and_change_nothing(
    on_behalf_of: dict[str, str], stranger: Asker, outsiders: Team
) -> None:
    headers = {"authorization": outsiders.http.headers["authorization"], **on_behalf_of}

    for operation, answer in stranger.ask(**headers):
        row = ROWS[operation]
        status = (on_behalf_of and row.delegated) or row.outsider
        assert answer.status_code == status, (operation, answer.text)
        assert CANARY not in answer.text
        if status == 200:
            expect_own(operation, answer.json())
        else:
            expect_refusal(operation, answer, status)


@pytest.mark.usefixtures("untouched")
def test_what_belongs_to_others_is_refused_like_what_never_was(
    stranger: Asker, outsiders: Team
) -> None:
    headers = {"authorization": outsiders.http.headers["authorization"]}
    known = stranger.about.ids
    numbers = {name: known[name] for name in NUMBERS}
    unknown = {name: f"{prefix(id_)}{'0' * 32}" for name, id_ in known.items()}
    nothing = Belongings({**unknown, **numbers})
    never = Asker(stranger.document, stranger.http, nothing)

    for (name, theirs), (_, nobodys) in zip(
        stranger.ask(**headers), never.ask(**headers), strict=True
    ):
        if ROWS[name].outsider != 200:
            assert refusal(theirs, stranger.about) == refusal(nobodys, nothing), name


@pytest.fixture(scope="module")
def reader(owned: Belongings, new_team: Callable[..., Team]) -> Team:
    """A team of the organisation that the suite is shared with."""
    return new_team(org=owned.ids["org_id"])


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("on_behalf_of", [{}, {"X-On-Behalf-Of": "user-1"}], ids=["own", "user"])
def test_with_whom_a_suite_is_shared_reads_it_and_changes_nothing(
    on_behalf_of: dict[str, str], stranger: Asker, reader: Team, team: Team
) -> None:
    path = stranger.about.path("/api/v1/llm/evals/runs/{run_id}/artifacts")
    artifacts = team.http.get(path).json()["artifact_file_ids"]
    assert len(artifacts) == 2
    headers = {"authorization": reader.http.headers["authorization"], **on_behalf_of}

    for operation, answer in stranger.ask(**headers):
        row = ROWS[operation]
        status = (on_behalf_of and row.delegated) or row.for_reader
        assert answer.status_code == status, (operation, answer.text)
        if status != 200:
            expect_refusal(operation, answer, status)
        if status == 403:
            known = {"shared_read_only", *(["delegated_context"] if row.delegated else [])}
            assert answer.json()["error"]["reason"] in known, operation
        assert not [file_id for file_id in artifacts if file_id in answer.text], operation


@pytest.mark.parametrize("on_behalf_of", [{}, {"X-On-Behalf-Of": "user-1"}], ids=["own", "user"])
def test_an_owner_may_do_everything_and_nearly_all_of_it_for_an_end_user(
    on_behalf_of: dict[str, str], document: Json, new_team: Callable[..., Team]
) -> None:
    team = new_team()
    asker = Asker(document, team.http, team.belongings())

    for name, answer in asker.ask(**on_behalf_of):
        status = (on_behalf_of and ROWS[name].delegated) or ROWS[name].owner
        assert answer.status_code == status, (name, answer.text)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("end_user", ["x" * 256, "m\xfcller", "a\tb"])
def test_an_end_user_who_cannot_be_passed_on_is_400(
    end_user: str, stranger: Asker, team: Team
) -> None:
    headers = {"authorization": team.http.headers["authorization"]}

    for name, answer in stranger.ask(**headers, **{"X-On-Behalf-Of": end_user}):
        assert answer.status_code == 400, (name, answer.text)
        assert answer.json()["error"]["param"] == "X-On-Behalf-Of"


def expect_refusal(name: str, answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status, (name, answer.text)
    error = answer.json()["error"]
    assert error["code"] == status
    assert error["type"] == TYPES.get(status, "invalid_request_error")
    assert CANARY not in answer.text


def expect_own(name: str, told: Json) -> None:
    """A list is empty but for what the same caller just uploaded; an upload is the caller's."""
    entries = told["data"] if name.startswith("list") else [told]
    assert {entry["filename"] for entry in entries} <= {"a.csv"}, (name, told)


def prefix(id_: str) -> str:
    return id_[: id_.rindex("_") + 1] if "_" in id_ else ""


def refusal(answer: httpx.Response, about: Belongings) -> tuple[int, str]:
    """Status and error without the ids that were asked for."""
    text = json.dumps(answer.json()["error"])
    for name, id_ in about.ids.items():
        if name not in NUMBERS:
            text = text.replace(id_, name)
    return answer.status_code, text
