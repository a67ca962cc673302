"""Bad input of every kind for every operation: a 400 that names the field, and nothing stored."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from conformance.rest.fields import Json, fields_of
from conformance.rest.matrix import NUMBERS, ROWS
from conformance.rest.teams import Belongings, Team
from e2e.work import task

# The first test starts the stack and has a run made, on a machine that may have much else to do.
pytestmark = pytest.mark.timeout(600)

API = "/api/v1/llm"
RUN = "/evals/runs/{run_id}"
SUITE = "/evals/suites/{suite_id}"


@dataclass(frozen=True, slots=True)
class Taker:
    """An operation with a JSON body: where it is sent, and the model that describes it."""

    method: str
    path: str
    model: str


TAKERS = {
    "createEvalSuite": Taker("POST", "/evals/suites", "CreateSuiteBody"),
    "createEvalSuiteVersion": Taker("POST", f"{SUITE}/versions", "CreateSuiteVersionBody"),
    "createEvalRun": Taker("POST", "/evals/runs", "CreateRunBody"),
    "createEvalSuiteShare": Taker("POST", f"{SUITE}/shares", "CreateSuiteShareBody"),
    "createEvalSchedule": Taker("POST", "/evals/schedules", "CreateScheduleBody"),
    "updateEvalSchedule": Taker("PATCH", "/evals/schedules/{schedule_id}", "UpdateScheduleBody"),
    "importHistoricalEvalResults": Taker(
        "POST", "/evals/imports/huggingface-results", "ImportHistoryBody"
    ),
    "importAgentEvalRun": Taker("POST", "/evals/imports/agent-run", "ImportAgentRunBody"),
    "appendAgentEvalTrials": Taker("POST", f"{RUN}/trials", "AppendAgentTrialsBody"),
    "uploadEvalSampleTrajectory": Taker(
        "PUT", f"{RUN}/samples/{{sample_index}}/trajectory", "TrajectoryBody"
    ),
    "measureEvalSuiteTokens": Taker("POST", f"{SUITE}/tokens/measure", "MeasureTokensBody"),
}
# Those whose bodies have labels; in the place of a label any JSON is tried.
LABELLED = [
    "createEvalSuite",
    "createEvalSuiteVersion",
    "createEvalRun",
    "createEvalSchedule",
    "updateEvalSchedule",
    "importHistoricalEvalResults",
    "importAgentEvalRun",
]


@pytest.fixture(scope="module")
def owned(team: Team) -> Belongings:
    return team.belongings()


@pytest.fixture
def nothing_stored(team: Team, owned: Belongings) -> Iterator[None]:
    """The team sees after the test what it saw before."""
    before = team.sees()
    yield
    assert team.sees() == before


def send(team: Team, operation: str, owned: Belongings, body: Any) -> httpx.Response:
    # Not httpx's own JSON: it refuses NaN and lone surrogates.
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    taker = TAKERS[operation]
    headers = {"content-type": "application/json", **ROWS[operation].headers}
    path = API + owned.path(taker.path)
    return team.http.request(taker.method, path, content=content, headers=headers)


def good(operation: str, owned: Belongings) -> Json:
    """A body that would be taken."""
    body = ROWS[operation].body
    assert body
    return body(owned)


def nothing_of(owned: Belongings) -> Belongings:
    """Ids of the same kinds that nothing has."""
    ids = {name: id_ for name, id_ in owned.ids.items() if name in NUMBERS}
    zeros = {
        name: f"{id_[: id_.rindex('_') + 1]}{'0' * 32}"
        for name, id_ in owned.ids.items()
        if name not in NUMBERS
    }
    return Belongings({**ids, **zeros})


def faults(answer: httpx.Response) -> set[str]:
    """Every place that the refusal names; `param` is one of them."""
    assert answer.json()["error"]["param"] or answer.status_code == 404
    return {problem["path"] for problem in answer.json()["errors"]}


def test_every_operation_with_a_json_body_is_tried(document: Json) -> None:
    taking = {
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    }

    assert taking == set(TAKERS)


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize("operation", TAKERS)
def test_a_value_of_a_wrong_type_is_refused_in_every_field(
    operation: str, document: Json, team: Team, owned: Belongings
) -> None:
    body = good(operation, owned)
    missed = []

    for field in fields_of(document, TAKERS[operation].model):
        for value in field.wrong_types():
            answer = send(team, operation, owned, field.set_in(body, value))
            if answer.status_code != 400 or not field.is_named_in(faults(answer)):
                missed.append((field.name, value, answer.status_code, answer.text[:200]))

    assert not missed


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize("operation", TAKERS)
def test_one_beyond_each_described_limit_is_refused_and_the_limit_itself_is_not(
    operation: str, document: Json, team: Team, owned: Belongings
) -> None:
    # What is within the limits is asked with ids that nothing has, so it is not stored either.
    nothing = nothing_of(owned)
    body, real = good(operation, nothing), good(operation, owned)
    missed, tried = [], 0

    for field in fields_of(document, TAKERS[operation].model):
        for within, beyond in field.limits():
            tried += 1
            taken = send(team, operation, nothing, field.set_in(body, within))
            refused = send(team, operation, owned, field.set_in(real, beyond))
            if taken.status_code >= 500 or field.name in limit_faults(taken):
                missed.append((field.name, "within", taken.text[:200]))
            if refused.status_code != 400 or not field.is_named_in(faults(refused)):
                missed.append((field.name, "beyond", refused.text[:200]))

    assert tried
    assert not missed


def limit_faults(answer: httpx.Response) -> set[str]:
    """Fields that are refused for what they are, not for what they name."""
    words = ("must be at ", "must have at ")
    return {
        problem["path"]
        for problem in answer.json()["errors"]
        if any(word in problem["message"] for word in words)
    }


def tasks_of(count: int, owned: Belongings) -> Json:
    tasks = [{**task(owned.ids["file_id"]), "id": f"t{number}"} for number in range(count)]
    return {"name": "n", "manifest": {"tasks": tasks}}


def one_task(owned: Belongings, **changes: Any) -> Json:
    return {"name": "n", "manifest": {"tasks": [task(owned.ids["file_id"], **changes)]}}


def padded(size: int, owned: Belongings) -> Json:
    """A suite whose manifest has this many bytes as the server counts them."""
    body = one_task(owned)
    body["manifest"]["metadata"] = {"padding": ""}
    length = len(json.dumps(body["manifest"], separators=(",", ":")))
    body["manifest"]["metadata"]["padding"] = "x" * (size - length)
    return body


@pytest.mark.parametrize(
    ("make", "within", "beyond", "param"),
    [
        (tasks_of, 1, 0, "manifest.tasks"),
        (tasks_of, 100, 101, "manifest.tasks"),
        (padded, 4 * 2**20, 4 * 2**20 + 1, "manifest.metadata"),
        (lambda n, o: one_task(o, id="x" * n), 128, 129, "manifest.tasks[0].id"),
        (lambda n, o: one_task(o, num_fewshot=n), 0, -1, "manifest.tasks[0].num_fewshot"),
        (lambda n, o: one_task(o, num_fewshot=n), 100, 101, "manifest.tasks[0].num_fewshot"),
        (
            lambda n, o: one_task(o, fewshot={"count": n}),
            100,
            101,
            "manifest.tasks[0].fewshot.count",
        ),
        (
            lambda n, o: one_task(
                o, dataset={"file_id": o.ids["file_id"], "format": "jsonl", "max_rows": n}
            ),
            1_000_000,
            1_000_001,
            "manifest.tasks[0].dataset.max_rows",
        ),
    ],
)
def test_the_contracts_limits_of_manifests_are_met_exactly(
    make: Any, within: int, beyond: int, param: str, team: Team, owned: Belongings
) -> None:
    before = len(team.sees()["suites"])
    refused = send(team, "createEvalSuite", owned, make(beyond, owned))
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == param
    assert len(team.sees()["suites"]) == before

    taken = send(team, "createEvalSuite", owned, make(within, owned))
    assert taken.status_code == 200, taken.text
    team.http.delete(f"{API}/evals/suites/{taken.json()['id']}").raise_for_status()


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize("operation", LABELLED)
@pytest.mark.parametrize(
    ("labels", "param"),
    [
        ({str(number): "" for number in range(65)}, "metadata"),
        ({"k" * 65: "v"}, "metadata["),
        ({"k": "v" * 513}, "metadata.k"),
        ({"k": 1}, "metadata.k"),
        ({"k": None}, "metadata.k"),
    ],
    ids=["number", "key", "value", "type", "null"],
)
def test_labels_beyond_the_limits_are_refused(
    operation: str, labels: Json, param: str, team: Team, owned: Belongings
) -> None:
    answer = send(team, operation, owned, {**good(operation, owned), "metadata": labels})

    assert answer.status_code == 400
    assert answer.json()["error"]["param"].startswith(param)


def test_labels_at_the_limits_are_kept(team: Team, owned: Belongings) -> None:
    labels = {f"{number:064}": "v" * 512 for number in range(64)}
    body = {**good("createEvalSuite", owned), "metadata": labels}

    made = send(team, "createEvalSuite", owned, body).raise_for_status().json()

    assert made["metadata"] == labels
    team.http.delete(f"{API}/evals/suites/{made['id']}").raise_for_status()


# In the place of a label's value.
BAD_JSON = {
    "duplicate key": b'{"a": 1, "a": 2}',
    "nan": b"NaN",
    "infinity": b"-Infinity",
    "beyond a double": b"1e999",
    "beyond 64 bits": b"9223372036854775808",
    "long number": b"9" * 10_000,
    "lone surrogate": b'"\\ud800"',
    "turned surrogates": b'"\\udc00\\ud800"',
    "surrogate as bytes": b'"\xed\xa0\x80"',
    "surrogate in a key": b'{"\\udfff": 1}',
    "nul": b'"\\u0000"',
    "no utf-8": b'"\xff"',
    "10 MB": b'"' + b"x" * 10_000_000 + b'"',
    "10,000 lists": b"[" * 10_000 + b"]" * 10_000,
    "10,000 objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "open brackets": b"[" * 10_000,
    "200,000 values": b"[" + b"0," * 200_000 + b"0]",
    "no json": b"nil",
    "single quotes": b"'a'",
    "nothing": b"",
}


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize("operation", LABELLED)
@pytest.mark.parametrize("kind", BAD_JSON)
def test_json_that_cannot_be_kept_is_refused_where_it_stands(
    kind: str, operation: str, team: Team, owned: Belongings
) -> None:
    body = {**good(operation, owned), "metadata": {"k": "@"}}
    raw = json.dumps(body).encode().replace(b'"@"', BAD_JSON[kind])

    answer = send(team, operation, owned, raw)

    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"].startswith("metadata")


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize("operation", TAKERS)
@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b"1", b'"text"', b"{", b"\x00"])
def test_a_body_that_is_no_object_is_refused(
    raw: bytes, operation: str, team: Team, owned: Belongings
) -> None:
    answer = send(team, operation, owned, raw)

    assert answer.status_code == 400
    assert answer.json()["error"]["reason"] == "invalid_json"


def test_no_parameter_of_any_operation_makes_the_server_fail(
    document: Json, team: Team, owned: Belongings
) -> None:
    values = ["", "x", "-1", "0", "1.5", "NaN", "1e999", "9" * 400, "%ED%A0%80", "%00", "%FF", "a,"]
    failed: list[tuple[str, int | str]] = []

    for path, methods in document["paths"].items():
        for parameter in methods.get("get", {}).get("parameters", ()):
            name = parameter["name"]
            for value in values if parameter["in"] != "header" else ():
                place = f"{path.replace('{' + name + '}', value)}".format_map(owned.ids)
                query = f"?{name}={value}" if parameter["in"] == "query" else ""
                answer = team.http.get(place + query)
                if answer.status_code not in (200, 400, 404):
                    failed.append((place + query, answer.status_code))
                wrong = answer.status_code == 400
                if wrong and not answer.json()["error"]["param"] and "%00" not in value:
                    failed.append((place + query, answer.text))

    assert not failed
