"""The `proctor` command against a running stack, as a person or a script uses it."""

import json
from pathlib import Path

import pytest

from e2e.stack import Stack, proctor, run_proctor
from e2e.work import EXACT_MATCH, sums, task

pytestmark = pytest.mark.timeout(300)  # the first test waits for the stack as well


def test_a_suite_file_is_run_watched_listed_and_downloaded(stack: Stack, tmp_path: Path) -> None:
    rows = [*sums(3), {"question": "1 + 1", "answer": "3"}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "grader.py").write_text(EXACT_MATCH)
    suite = {"name": "by-hand", "manifest": {"tasks": [task("@rows.jsonl", source="@grader.py")]}}
    (tmp_path / "suite.json").write_text(json.dumps(suite))
    here = ("--state", str(stack.state_dir))

    proctor(*here, "suites", "create", str(tmp_path / "suite.json"))
    run = json.loads(proctor(*here, "run", "by-hand", "--model", "adder", "--watch", "--json"))
    found = proctor(*here, "samples", run["id"], "--json").splitlines()
    proctor(*here, "artifacts", run["id"], "--output", str(tmp_path / "out"))

    assert run["status"] == "completed"
    assert run["metrics"]["by_task"]["task"]["adder"]["score"] == 3 / 4
    assert [json.loads(line)["scores"]["score"] for line in found] == [1.0, 1.0, 1.0, 0.0]
    downloaded = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert sorted(downloaded) == [f"{run['id']}-results.json", f"{run['id']}-samples.jsonl"]
    assert len(downloaded[f"{run['id']}-samples.jsonl"].splitlines()) == 4


def test_a_run_without_one_scored_sample_is_an_error_to_scripts(
    stack: Stack, tmp_path: Path
) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps(sums(1)[0]) + "\n")
    suite = {"name": "hopeless", "manifest": {"tasks": [task("@rows.jsonl")]}}
    (tmp_path / "suite.json").write_text(json.dumps(suite))
    here = ("--state", str(stack.state_dir))
    proctor(*here, "suites", "create", str(tmp_path / "suite.json"))

    done = run_proctor(*here, "run", "hopeless", "--model", "nobody", "--watch")

    assert done.returncode == 1
    assert "No sample" in done.stderr


def test_a_bad_manifest_is_refused_with_every_problem_at_once(stack: Stack) -> None:
    bad = task("file_that_is_not_there", prompt_template="{{ oops", target_template="{% x %}")
    bad["grader"] = {"type": "python", "source": "def grade(:", "timeout_seconds": 100_000}
    bad["output_extraction"] = {"type": "regex", "pattern": "("}
    bad["fewshots"] = {}

    with stack.http() as client:
        answer = client.post("/evals/suites", json={"name": "bad", "manifest": {"tasks": [bad]}})

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, 400)
    assert {detail["path"] for detail in error["details"]} == {
        "manifest.tasks[0].dataset.file_id",
        "manifest.tasks[0].prompt_template",
        "manifest.tasks[0].target_template",
        "manifest.tasks[0].grader.source",
        "manifest.tasks[0].grader.timeout_seconds",
        "manifest.tasks[0].output_extraction.pattern",
        "manifest.tasks[0].fewshots",
    }
