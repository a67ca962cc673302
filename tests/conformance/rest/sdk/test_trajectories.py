"""Trajectories through the published client and as plain HTTP: what is sent comes back."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from conformance.rest.sdk.agents import NO_RUN, Json, new_suite, refused
from conformance.rest.teams import Team
from servicekit.ids import new_id

MEBI = 1024 * 1024
LIMIT = 16 * MEBI
AS_JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def suite_id(team: Team) -> str:
    return new_suite(team)


@pytest.fixture
def evals(team: Team) -> Iterator[Any]:
    with team.sdk() as sdk:
        yield sdk.llm.evals


@pytest.fixture
def run_id(evals: Any, suite_id: str) -> str:
    """A run with one trial of `fix` and two of `write`: index 0 is ambiguous, 1 is not."""
    places = (("fix", 0), ("write", 0), ("write", 1))
    trials = [{"task_id": task_id, "sample_index": index} for task_id, index in places]
    run = evals.import_agent_run(suite_id=suite_id, agent_name="omp", model="m", trials=trials)
    return str(run.id)


def path(run_id: str, sample_index: object = 1) -> str:
    return f"/api/v1/llm/evals/runs/{run_id}/samples/{sample_index}/trajectory"


def put(team: Team, run_id: str, raw: str | bytes, **query: str) -> httpx.Response:
    return team.http.put(path(run_id), content=raw, headers=AS_JSON, params=query)


def told(answer: httpx.Response) -> tuple[int, str, str | None]:
    error = answer.json()["error"]
    return answer.status_code, error["reason"], error["param"]


def test_a_session_comes_back_as_it_was_uploaded(evals: Any, run_id: str) -> None:
    steps: list[Any] = [{"step_id": 1, "message": "Grüße 🙂", "n": 1.5}, "free text", None, [7]]
    logs = {"trial.log": "ended\n", "verifier/test-stdout.txt": ""}

    stored = evals.upload_sample_trajectory(
        run_id=run_id, sample_index=0, task_id="fix", steps=steps, logs=logs
    )
    found = evals.get_sample_trajectory(run_id=run_id, sample_index=0, task_id="fix")

    assert (stored.run_id, stored.sample_index, stored.task_id) == (run_id, 0, "fix")
    assert (stored.model, stored.step_count) == ("m", 4)
    assert (found.steps, found.logs, found.schema_version) == (steps, logs, "ATIF-v1.7")
    assert (found.step_count, found.size_bytes) == (stored.step_count, stored.size_bytes)
    assert (found.run_id, found.task_id, found.model) == (run_id, "fix", "m")


def test_an_upload_replaces_the_one_before(evals: Any, run_id: str) -> None:
    where = {"run_id": run_id, "sample_index": 1}
    evals.upload_sample_trajectory(**where, steps=[1, 2], logs={"a": "b"})

    evals.upload_sample_trajectory(**where, steps=[], schema_version="own-2")

    found = evals.get_sample_trajectory(**where)
    assert (found.steps, found.logs, found.schema_version) == ([], None, "own-2")
    assert (found.step_count, found.size_bytes) == (0, 2)


def test_steps_and_logs_are_kept_byte_by_byte(team: Team, run_id: str) -> None:
    steps = r'[ {"b":1.10,"a":1E5 , "b":-0.0}, 123456789012345678901234567890, "\u00e9\/\u0000" ]'
    logs = '{"z":"\\t" ,"a":"\u2028"}'

    raw = f'{{"logs": {logs} , "schema_version":"v", "steps" :\n{steps}}}'
    stored = put(team, run_id, raw).raise_for_status().json()

    text = team.http.get(path(run_id)).raise_for_status().text
    assert f'"steps":{steps}' in text
    assert f'"logs":{logs}' in text
    assert stored["size_bytes"] == len(steps.encode()) + len(logs.encode())
    assert json.loads(text)["steps"][1] == 123456789012345678901234567890


def test_explicit_nulls_are_defaults(team: Team, run_id: str) -> None:
    put(team, run_id, '{"steps": [], "schema_version": null, "logs": null}').raise_for_status()

    found = team.http.get(path(run_id)).json()
    assert (found["schema_version"], found["logs"]) == ("ATIF-v1.7", None)


def test_any_runs_samples_can_have_one(team: Team, evals: Any) -> None:
    executed = team.belongings().ids["run_id"]
    evals.upload_sample_trajectory(run_id=executed, sample_index=1, steps=["thought"])

    found = evals.get_sample_trajectory(run_id=executed, sample_index=1)
    assert (found.steps, found.model) == (["thought"], "adder")


def test_a_trial_that_is_sent_again_keeps_its_trajectory(evals: Any, suite_id: str) -> None:
    about = {"suite_id": suite_id, "agent_name": "omp", "model": "m"}
    trials = [{"task_id": "fix", "sample_index": 0}]
    run = evals.import_agent_run(**about, finalize=False, trials=trials)
    evals.upload_sample_trajectory(run_id=run.id, sample_index=0, steps=[1])

    evals.append_agent_trials(run_id=run.id, trials=trials, finalize=True)

    assert evals.get_sample_trajectory(run_id=run.id, sample_index=0).steps == [1]


def test_an_index_of_several_samples_is_ambiguous_until_the_task_is_named(
    evals: Any, run_id: str
) -> None:
    which = {"run_id": run_id, "sample_index": 0}
    upload: Json = {"steps": []}
    for call, more in ((evals.get_sample_trajectory, {}), (evals.upload_sample_trajectory, upload)):
        assert refused(call, **which, **more) == (400, "sample_ambiguous", "task_id")
        assert refused(call, **which, model="m", **more) == (400, "sample_ambiguous", "task_id")


def test_an_index_of_several_models_is_ambiguous_until_the_model_is_named(
    team: Team, evals: Any
) -> None:
    owned = team.belongings()
    body = {"suite_id": owned.ids["suite_id"], "models": ["adder", "echo"]}
    run = team.http.post("/api/v1/llm/evals/runs", json=body).raise_for_status().json()
    team._wait(run["id"])
    which = {"run_id": run["id"], "sample_index": 0, "steps": []}

    assert refused(evals.upload_sample_trajectory, **which, task_id="task") == (
        *(400, "sample_ambiguous"),
        "model",
    )
    assert evals.upload_sample_trajectory(**which, model="echo").model == "echo"


def test_what_does_not_exist_is_not_found(evals: Any, run_id: str) -> None:
    def status(call: Callable[..., Any], **which: Any) -> tuple[int, str]:
        return refused(call, **{"run_id": run_id, "sample_index": 1, **which})[:2]

    upload: Json = {"steps": []}
    assert status(evals.get_sample_trajectory) == (404, "trajectory_not_found")
    for call, more in ((evals.get_sample_trajectory, {}), (evals.upload_sample_trajectory, upload)):
        assert status(call, sample_index=9, **more) == (404, "sample_not_found")
        assert status(call, task_id="fix", **more) == (404, "sample_not_found")
        assert status(call, model="other", **more) == (404, "sample_not_found")
        assert status(call, run_id=NO_RUN, **more) == (404, "run_not_found")
        assert status(call, run_id="eval_run_1", **more) == (404, "run_not_found")


def test_trajectories_go_with_their_run(evals: Any, run_id: str) -> None:
    evals.upload_sample_trajectory(run_id=run_id, sample_index=1, steps=[])
    evals.delete_run(run_id=run_id)

    gone = refused(evals.get_sample_trajectory, run_id=run_id, sample_index=1)

    assert gone[:2] == (404, "run_not_found")


def test_steps_and_logs_may_have_16_mib_together_and_not_a_byte_more(
    team: Team, run_id: str
) -> None:
    def body(steps_bytes: int) -> str:
        logs = json.dumps({"l": "x" * (MEBI - len('{"l": ""}'))})
        return f'{{"steps":["{"s" * (steps_bytes - 4)}"],"logs":{logs}}}'

    at_most = put(team, run_id, body(15 * MEBI))
    found = team.http.get(path(run_id)).json()
    beyond = put(team, run_id, body(15 * MEBI + 1))
    far_beyond = put(team, run_id, body(17 * MEBI))

    assert (at_most.status_code, at_most.json()["size_bytes"]) == (200, LIMIT)
    assert (len(found["steps"][0]), len(found["logs"]["l"])) == (15 * MEBI - 4, MEBI - 9)
    assert told(beyond) == told(far_beyond) == (413, "trajectory_too_large", "steps")
    assert team.http.get(path(run_id)).json() == found


BROKEN: list[tuple[str, str | bytes, str | None]] = [
    ("nothing", "", None),
    ("no JSON", '{"steps": [yes]}', "steps"),
    ("cut off", '{"steps": [1', "steps"),
    ("more behind", '{"steps": []} 1', None),
    ("a list", "[]", None),
    ("no steps", "{}", "steps"),
    ("null steps", '{"steps": null}', "steps"),
    ("steps", '{"steps": {}}', "steps"),
    ("twice", '{"steps": [], "steps": []}', "steps"),
    ("not a number", '{"steps": [NaN]}', "steps"),
    ("surrogate", '{"steps": ["\\ud800"]}', "steps"),
    ("no UTF-8", b'{"steps": ["\xff"]}', "steps"),
    ("deep", '{"steps": ' + "[" * 64 + "]" * 64 + "}", "steps"),
    ("very deep", '{"steps": ' + "[" * 100_000 + "]" * 100_000 + "}", "steps"),
    ("many values", '{"steps": [' + "{}," * 1_000_000 + "1]}", "steps"),
    ("version", '{"steps": [], "schema_version": 7}', "schema_version"),
    ("no version", '{"steps": [], "schema_version": ""}', "schema_version"),
    ("long version", '{"steps": [], "schema_version": "' + "v" * 65 + '"}', "schema_version"),
    ("NUL version", '{"steps": [], "schema_version": "\\u0000"}', "schema_version"),
    ("logs", '{"steps": [], "logs": []}', "logs"),
    ("a log", '{"steps": [], "logs": {"a": 1}}', "logs.a"),
    ("many logs", json.dumps({"steps": [], "logs": {str(n): "" for n in range(1_001)}}), "logs"),
    ("log name", json.dumps({"steps": [], "logs": {"x" * 1_025: ""}}), "logs"),
    ("unknown", '{"steps": [], "step": 1}', "step"),
]


@pytest.mark.parametrize(
    ("raw", "param"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_a_body_that_breaks_a_rule_is_refused_by_its_field_and_nothing_is_stored(
    team: Team, run_id: str, raw: str | bytes, param: str | None
) -> None:
    answer = put(team, run_id, raw)

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert team.http.get(path(run_id)).status_code == 404


def test_the_deepest_steps_that_are_taken_can_be_read_by_the_client(
    team: Team, evals: Any, run_id: str
) -> None:
    put(team, run_id, '{"steps": ' + "[" * 63 + "]" * 63 + "}").raise_for_status()

    found = evals.get_sample_trajectory(run_id=run_id, sample_index=1)
    assert json.dumps(found.steps).count("[") == 63


@pytest.mark.parametrize("index", ["-1", "x", "1.5", str(2**31)])
def test_an_index_of_another_shape_is_refused(team: Team, run_id: str, index: str) -> None:
    answer = team.http.get(path(run_id, index))

    assert told(answer) == (400, "invalid_parameter", "sample_index")


def test_what_is_sent_as_another_type_is_refused(team: Team, run_id: str) -> None:
    answer = team.http.put(path(run_id), content="steps", headers={"content-type": "text/plain"})

    assert told(answer)[:2] == (400, "content_type")


def test_another_organisation_reads_a_shared_trajectory_and_writes_none(
    evals: Any, run_id: str, suite_id: str, new_team: Callable[..., Team]
) -> None:
    evals.upload_sample_trajectory(run_id=run_id, sample_index=1, steps=[1])
    reader, stranger = new_team(org=new_id("org")), new_team(org=new_id("org"))
    evals.create_suite_share(suite_id=suite_id, org_id=reader.org)

    with reader.sdk() as sdk, stranger.sdk() as nobody:
        theirs, which = sdk.llm.evals, {"run_id": run_id, "sample_index": 1}
        assert theirs.get_sample_trajectory(**which).steps == [1]
        assert refused(theirs.upload_sample_trajectory, **which, steps=[])[0] == 403
        closed = nobody.llm.evals
        assert refused(closed.get_sample_trajectory, **which)[:2] == (404, "run_not_found")
        upload: Json = {**which, "steps": []}
        assert refused(closed.upload_sample_trajectory, **upload)[:2] == (404, "run_not_found")


def test_the_board_counts_the_steps_of_completed_runs(evals: Any, team: Team) -> None:
    suite = new_suite(team, "only")
    run = evals.import_agent_run(
        suite_id=suite, agent_name="omp", model="m", trials=[{"task_id": "only"}]
    )
    evals.upload_sample_trajectory(run_id=run.id, sample_index=0, steps=[{}, {}, {}])

    board = evals.get_suite_leaderboard(suite_id=suite)

    (row,) = board.data
    assert (row.agent_name, row.steps, row.run_ids) == ("omp", 3, [run.id])


def test_a_listing_of_samples_does_not_grow_with_trajectories(evals: Any, run_id: str) -> None:
    def listed() -> Json:
        page = evals.list_samples(run_id=run_id)
        assert page is not None
        fields: Json = page.model_dump()
        return fields

    before = listed()
    evals.upload_sample_trajectory(run_id=run_id, sample_index=1, steps=["x" * 100_000])

    assert listed() == before
