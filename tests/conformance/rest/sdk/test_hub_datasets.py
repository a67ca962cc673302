"""Suites whose rows come from the hub, through the published client and the hub stand-in."""

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from meetkai_mka1 import SDK, errors

from conformance.rest.teams import Team
from e2e.stack import Stack
from e2e.work import create_suite, samples, sums, task, wait
from hub.stand_in import StandInHub
from servicekit.ids import new_id

Json = dict[str, Any]

pytestmark = pytest.mark.timeout(300)  # the first test waits for the stack as well

README = b"""---
configs:
- config_name: main
  data_files:
  - {split: train, path: "main/train-*"}
  - {split: test, path: "main/test-*"}
---
"""


@pytest.fixture
def sdk(new_team: Callable[..., Team]) -> Iterator[SDK]:
    """The client of a team that has nothing yet."""
    with new_team().sdk() as client:
        yield client


@pytest.fixture
def hub(stack: Stack) -> Iterator[StandInHub]:
    yield stack.hub
    stack.hub.down = False


@pytest.fixture
def repo(hub: StandInHub) -> str:
    """A repository in the form most have: a README, Parquet shards, two splits."""
    name = f"owner/{new_id('set')}"
    files = {
        "README.md": README,
        "main/train-00000-of-00001.parquet": parquet(sums(5, start=100)),
        "main/test-00000-of-00002.parquet": parquet(sums(2)),
        "main/test-00001-of-00002.parquet": parquet(sums(2, start=2)),
    }
    hub.add(name, files)
    return name


def parquet(rows: Sequence[Json]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), file)
    return file.getvalue()


def run_of(sdk: SDK, dataset: Json, **changes: Any) -> Any:
    suite_id = create_suite(sdk, task("", dataset=dataset, **changes))
    run = sdk.llm.evals.create_run(suite_id=suite_id, models=["adder"])
    return wait(sdk, run.id, seconds=100)


def test_a_suite_with_a_dataset_of_the_hub_runs_from_end_to_end(sdk: SDK, repo: str) -> None:
    dataset = {"path": repo, "dataset_kwargs": {"trust_remote_code": True}}

    run = run_of(sdk, dataset)

    assert (run.status, run.error) == ("completed", None)
    found = samples(sdk, run.id)
    assert [sample.prompt for sample in found] == ["0 + 0", "0 + 1", "2 + 0", "2 + 1"]
    assert all(sample.scores == {"score": 1.0} for sample in found)
    version = sdk.llm.evals.get_suite_version(suite_id=run.suite_id, version=1)
    kept = version.manifest.model_dump()["tasks"][0]["dataset"]
    assert kept == {"source": "huggingface", **dataset}


def test_few_shot_examples_come_from_another_split(sdk: SDK, repo: str) -> None:
    examples = {
        "count": 2,
        "dataset": {"path": repo, "split": "train", "max_rows": 2},
        "example_template": "{{prompt}} = {{target}}",
    }

    run = run_of(sdk, {"path": repo, "name": "main", "max_rows": 1}, fewshot=examples)

    [sample] = samples(sdk, run.id)
    assert sample.prompt == "100 + 0 = 100\n\n100 + 1 = 101\n\n0 + 0"


def test_a_second_run_downloads_nothing_and_a_moved_branch_is_seen(
    sdk: SDK, hub: StandInHub, repo: str
) -> None:
    suite_id = create_suite(sdk, task("", dataset={"path": repo}))

    def prompts() -> list[str]:
        made = sdk.llm.evals.create_run(suite_id=suite_id, models=["adder"])
        assert wait(sdk, made.id).status == "completed"
        return [sample.prompt for sample in samples(sdk, made.id)]

    first = prompts()
    asked = len(hub.paths(repo))
    second = prompts()
    asked_again = hub.paths(repo)[asked:]
    hub.add(repo, {"test.jsonl": json.dumps(sums(1)[0]).encode()})

    assert first == second
    assert asked_again
    assert all("/revision/main" in path for path in asked_again)
    assert prompts() == ["0 + 0"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"split": "dev"}, "no split 'dev'; there are: test, train"),
        ({"name": "other"}, "no config 'other'; there are: main"),
        ({"revision": "gone"}, "no revision 'gone'"),
        ({"path": "owner/not-there"}, "check `path`"),
        ({"data_files": "none/*.csv"}, "match no file"),
    ],
)
def test_what_the_hub_does_not_have_fails_the_run_and_says_what_there_is(
    sdk: SDK, repo: str, changes: Json, sentence: str
) -> None:
    run = run_of(sdk, {"path": repo, **changes})

    assert (run.status, run.error["code"]) == ("failed", "dataset_error")
    assert sentence in run.error["message"]
    assert "task task" in run.error["message"]


def test_a_dataset_without_rows_fails_the_run_as_empty(sdk: SDK, hub: StandInHub) -> None:
    repo = f"owner/{new_id('set')}"
    hub.add(repo, {"test.jsonl": b"\n"})

    run = run_of(sdk, {"path": repo})

    assert (run.status, run.error["code"]) == ("failed", "empty_dataset")


def test_a_hub_that_hiccups_does_not_fail_the_run(sdk: SDK, hub: StandInHub, repo: str) -> None:
    hub.trouble(f"{repo}/revision", status=503, times=2)
    hub.trouble(f"{repo}/tree", status=429, headers={"Retry-After": "1"})
    hub.trouble("test-00000-of-00002", cut_at=50)

    assert run_of(sdk, {"path": repo}).status == "completed"


@pytest.mark.parametrize(
    ("dataset", "param"),
    [
        ({"path": "owner/set", "file_id": "file_x"}, ""),
        ({}, ""),
        ({"source": "file", "path": "owner/set"}, ".source"),
        ({"source": "huggingface", "file_id": "file_x"}, ".source"),
        ({"path": "owner/set", "format": "csv"}, ".format"),
        ({"file_id": "file_x", "split": "test"}, ".split"),
        ({"file_id": "file_x", "revision": "main"}, ".revision"),
        ({"path": "../../etc"}, ".path"),
        ({"path": "owner/set", "max_rows": 0}, ".max_rows"),
        ({"path": "owner/set", "max_rows": 1_000_001}, ".max_rows"),
        ({"path": "owner/set", "data_files": {"test": []}}, ".data_files"),
    ],
)
@pytest.mark.parametrize("place", ["dataset", "fewshot.dataset"])
def test_a_dataset_that_contradicts_itself_is_refused(
    sdk: SDK, dataset: Mapping[str, object], param: str, place: str
) -> None:
    good: Json = {"path": "owner/set"}
    examples = {"count": 1, "dataset": dataset}
    changes = {"dataset": dataset} if place == "dataset" else {"dataset": good, "fewshot": examples}
    body: Any = {"tasks": [task("", **changes)]}

    with pytest.raises(errors.SDKDefaultError) as refused:
        sdk.llm.evals.create_suite(name="suite", manifest=body)

    error = json.loads(refused.value.body)["error"]
    assert refused.value.status_code == 400
    assert error["param"] == f"manifest.tasks[0].{place}{param}"
