import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from cli.commands.local.demo import evaluate
from cli.errors import CliError
from cli.server.api import Api
from cli.session import Session
from manifest.parsing import parse_manifest
from unit.cli.fake_api import KEY, FakeProctor

EXAMPLES = Path(__file__).resolve().parents[5] / "examples"
SUITE = EXAMPLES / "arithmetic-suite.json"


async def run_demo(fake: FakeProctor, results: Path) -> None:
    transport = httpx.ASGITransport(fake.app)
    async with Api("http://fake", KEY, transport=transport) as api:
        await evaluate(Session(poll_s=0.001), api, SUITE, results=results)


async def test_the_demo_ends_with_downloaded_artifacts(tmp_path: Path) -> None:
    fake = FakeProctor()

    await run_demo(fake, tmp_path)

    [run] = fake.runs.values()
    assert run["models"] == ["smollm2-135m", "smollm2-135m-terse"]
    assert run["judge_model"] == "smollm2-135m"
    assert (tmp_path / "eval_run_0-results.json").read_bytes() == b"{}"
    assert (tmp_path / "eval_run_0-samples.jsonl").read_bytes() == b"{}\n"


async def test_the_demo_fails_when_its_run_does(tmp_path: Path) -> None:
    fake = FakeProctor()
    fake.outcome = "failed"

    with pytest.raises(CliError, match="line 3 is not JSON"):
        await run_demo(fake, tmp_path)


async def test_the_example_suite_is_a_good_manifest_with_one_file(tmp_path: Path) -> None:
    fake = FakeProctor()

    await run_demo(fake, tmp_path)

    manifest = parse_manifest(json.dumps(fake.manifests["eval_suite_0"]).encode())
    assert [task.id for task in manifest.tasks] == ["exact", "second-opinion"]
    assert {task.dataset.file_id for task in manifest.tasks} == {"file_0"}


def test_the_example_rows_are_right() -> None:
    rows = [json.loads(line) for line in (EXAMPLES / "arithmetic.jsonl").read_text().splitlines()]

    assert len(rows) == 40
    assert len({row["question"] for row in rows}) == 40
    for row in rows:
        left, sign, right = row["question"].split()
        results = {
            "+": int(left) + int(right),
            "-": int(left) - int(right),
            "*": int(left) * int(right),
        }
        assert row["answer"] == results[sign]


def graded(name: str, *arguments: object) -> object:
    return runpy.run_path(str(EXAMPLES / "graders" / name))["grade"](*arguments)


@pytest.mark.parametrize(("extracted", "score"), [("5", True), ("6", False), (None, False)])
def test_exact_match_compares_with_the_target(extracted: str | None, score: bool) -> None:  # noqa: FBT001
    result = graded("exact_match.py", {"extracted_output": extracted}, {"target": "5"})

    assert result is score


@pytest.mark.parametrize(
    ("said", "score"), [("2 + 3 = 5", True), ("2 + 3 = 6", False), ("I do not know", False)]
)
def test_a_second_opinion_is_the_judges_own_number(said: str, score: bool) -> None:  # noqa: FBT001
    judge = SimpleNamespace(responses_create=lambda **_: {"output_text": said})

    sample, item = {"extracted_output": "5"}, {"question": "2 + 3"}

    result = graded("second_opinion.py", sample, item, judge)

    assert isinstance(result, dict)
    assert result["score"] is score
    assert result["judge"]["said"] == said
