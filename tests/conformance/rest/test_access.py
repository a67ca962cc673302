"""Every operation asked by everybody: no key, wrong keys, too little scope, other teams and orgs.

The operations come from the OpenAPI document, so a new one fails here until it has a row.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from conformance.rest.teams import CANARY, SCOPES, Belongings, Team, new_key
from e2e.stack import Stack
from e2e.work import task

Json = dict[str, Any]
Body = Callable[[Belongings], Json]


@dataclass(frozen=True, slots=True)
class Row:
    """What an operation answers to whom.

    Attributes:
        scope: What a key must carry.
        outsider: Status for a key of another team that may do everything.
        owner: Status for the team's own key, also on behalf of an end user.
        body: Its JSON body.
    """

    scope: str
    outsider: int = 404
    owner: int = 200
    body: Body | None = None


def suite_body(owned: Belongings) -> Json:
    return {"name": "n", "manifest": {"tasks": [task(owned.ids["file_id"])]}}


def version_body(owned: Belongings) -> Json:
    return {"manifest": suite_body(owned)["manifest"]}


def run_body(owned: Belongings) -> Json:
    return {"suite_id": owned.ids["suite_id"], "models": ["adder"]}


# In the order in which an owner can do them all; each collection is the caller's own.
ROWS = {
    "listFiles": Row("read:files", outsider=200),
    "getFile": Row("read:files"),
    "getFileContent": Row("read:files"),
    "uploadFile": Row("write:files", outsider=200),
    "listEvalSuites": Row("read:evals", outsider=200),
    "getEvalSuite": Row("read:evals"),
    "listEvalSuiteVersions": Row("read:evals"),
    "getEvalSuiteVersion": Row("read:evals"),
    "createEvalSuite": Row("write:evals", outsider=400, body=suite_body),
    "createEvalSuiteVersion": Row("write:evals", body=version_body),
    "listEvalRuns": Row("read:evals", outsider=200),
    "getEvalRun": Row("read:evals"),
    "getEvalArtifacts": Row("read:evals"),
    "listEvalSamples": Row("read:evals"),
    "createEvalRun": Row("write:evals", body=run_body),
    "cancelEvalRun": Row("write:evals", owner=409),
    "rerunFailedEvalSamples": Row("write:evals", owner=409),
    "retryFailedEvalRun": Row("write:evals", owner=409),
    "deleteEvalRun": Row("write:evals"),
    "deleteEvalSuite": Row("write:evals"),
    "deleteFile": Row("write:files"),
}

TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error"}


@dataclass(frozen=True, slots=True)
class Asker:
    """Sends every operation of the document, about one team's belongings."""

    document: Json
    http: httpx.Client
    about: Belongings

    def ask(self, **headers: str) -> Iterator[tuple[str, httpx.Response]]:
        """Each operation's id with its answer, in the order of the rows."""
        places = {
            operation["operationId"]: (method, path)
            for path, methods in self.document["paths"].items()
            for method, operation in methods.items()
        }
        for name, row in ROWS.items():
            method, path = places[name]
            content: dict[str, Any] = {}
            if name == "uploadFile":
                content = {"data": {"purpose": "evals"}, "files": {"file": ("a.csv", b"a\n1\n")}}
            elif row.body:
                content = {"json": row.body(self.about)}
            # As bytes: some are no ASCII.
            sent = {key.encode(): value.encode("latin-1") for key, value in headers.items()}
            yield name, self.http.request(method, self.about.path(path), headers=sent, **content)


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
    key = new_key(stack, *others, org="org", team="scopes")

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
        status = ROWS[operation].outsider
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
    unknown = {name: f"{prefix(id_)}{'0' * 32}" for name, id_ in stranger.about.ids.items()}
    nothing = Belongings({**unknown, "version": "1"})
    never = Asker(stranger.document, stranger.http, nothing)

    for (name, theirs), (_, nobodys) in zip(
        stranger.ask(**headers), never.ask(**headers), strict=True
    ):
        if ROWS[name].outsider != 200:
            assert refusal(theirs, stranger.about) == refusal(nobodys, nothing), name


def test_a_delegated_context_may_do_what_its_key_may(
    document: Json, new_team: Callable[..., Team]
) -> None:
    team = new_team()
    asker = Asker(document, team.http, team.belongings())

    for name, answer in asker.ask(**{"X-On-Behalf-Of": "user-1"}):
        assert answer.status_code == ROWS[name].owner, (name, answer.text)


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
        if name != "version":
            text = text.replace(id_, name)
    return answer.status_code, text
