"""`proctor grader test` as a person runs it: real processes, real jails, no stack."""

import json
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.stack import PROCTOR, Stack, proctor, run_proctor
from e2e.work import sums, task

# Each trial is two processes and a trial of the jail: seconds, on a machine that does other work.
pytestmark = pytest.mark.timeout(180)

EXACT = """
def grade(sample, item):
    print("seen", sample["extracted_output"])
    return sample["extracted_output"] == item["target"]
"""
WRONG = """
def share(part, whole):
    return part / whole

def grade(sample, item):
    return share(1, len(item["target"]) - 2)
"""
ENDLESS = "def grade(sample, item):\n    while True:\n        pass\n"
FORK_BOMB = """
import os
def grade(sample, item):
    while True:
        os.fork()
"""
TOGETHER = """
def grade_batch(samples):
    hits = [s["extracted_output"] == s["target"] for s in samples]
    return {"samples": hits, "metrics": {"share": sum(hits) / len(hits)}}
"""
CHANGED = """
def grade(sample, item):
    right = item["answer"] in sample["output_text"] and "+" in item["question"]
    return {"right": right, "run": sample["run_id"].startswith("eval_run_")}
"""
JUDGED = """
def grade(sample, item, ctx):
    said = ctx.responses_create(input=f"Is {sample['output_text']} right?")["output_text"]
    vectors = ctx.embeddings_create(input=[sample["output_text"], item["target"]])["data"]
    near = sum(a * b for a, b in zip(*(one["embedding"] for one in vectors)))
    return {"score": said == "yes", "near": near}
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of the test, and after it no grader's files in the machine's own."""
    before = set(Path(tempfile.gettempdir()).glob("proctor-grader-*"))
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)
    assert set(Path(tempfile.gettempdir()).glob("proctor-grader-*")) <= before


def tried(
    folder: Path, source: str, *options: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    (folder / "mine.py").write_text(source)
    return run_proctor("grader", "test", str(folder / "mine.py"), *options, environment=environment)


def test_a_grader_is_tried_without_any_stack_or_setting(folder: Path) -> None:
    done = tried(folder, EXACT, "--output", "42", "--target", "42")

    lines = done.stdout.splitlines()
    assert (done.returncode, lines[0]) == (0, "scored")
    assert "score       1" in lines
    assert lines[lines.index("stdout") + 1] == "  seen 42"
    assert [line.split()[0] for line in lines[-3:]] == ["time", "CPU", "memory"]
    assert lines[-1].endswith(" MiB")


def test_a_wrong_grader_is_shown_with_its_own_lines(folder: Path) -> None:
    done = tried(folder, WRONG, "--output", "42", "--target", "42")

    assert done.returncode == 1
    assert done.stdout.startswith("grader_error  [grader_error] ZeroDivisionError")
    assert 'line 6, in grade\n      return share(1, len(item["target"]) - 2)' in done.stdout
    assert "line 3, in share\n      return part / whole" in done.stdout


@pytest.mark.parametrize(
    ("source", "code"), [(ENDLESS, "grader_timeout"), (FORK_BOMB, "grader_error")]
)
def test_a_hostile_grader_ends_at_its_limits(folder: Path, source: str, code: str) -> None:
    done = tried(folder, source, "--output", "1", "--timeout", "1", "--json")

    (sample,) = map(json.loads, done.stdout.splitlines())
    assert (done.returncode, sample["error"]["code"]) == (1, code)
    assert sample["run_time_s"] < 10
    assert sample["peak_memory_bytes"] > 2**20


def test_many_samples_are_graded_together_and_summed_up(folder: Path) -> None:
    samples = [{"output_text": text, "row": {"target": "1"}} for text in ("1", "2", "1", "1")]
    (folder / "samples.jsonl").write_text("".join(json.dumps(one) + "\n" for one in samples))
    options = ("--samples", str(folder / "samples.jsonl"), "--contract", "batch")

    shown = tried(folder, TOGETHER, *options)
    told = tried(folder, TOGETHER, *options, "--json")

    assert (shown.returncode, told.returncode) == (0, 0)
    assert "samples     4: 4 scored" in shown.stdout
    assert "metric share 0.75 (returned by grade_batch)" in shown.stdout
    assert "mean score  0.75 (of 4)" in shown.stdout
    *answers, execution = map(json.loads, told.stdout.splitlines())
    assert [answer["scores"]["score"] for answer in answers] == [1, 0, 1, 1]
    assert (execution["object"], execution["metrics"]) == ("trial.execution", {"share": 0.75})
    assert execution["peak_memory_bytes"] > 2**20


def test_models_answer_what_the_person_says(folder: Path) -> None:
    options = ("--output", "Paris", "--target", "paris", "--contract", "model_backed")
    answers = ("--judge-output", "yes", "--embedding", "[[1, 2], [3, 4]]")

    done = tried(folder, JUDGED, *options, *answers, "--json")
    unanswered = tried(folder, JUDGED, *options)

    (sample,) = map(json.loads, done.stdout.splitlines())
    assert sample["scores"] == {"score": 1, "near": 11}
    assert [call["method"] for call in sample["model_calls"]] == [
        "responses_create",
        "embeddings_create",
    ]
    assert sample["model_calls"][0]["body"]["input"] == "Is Paris right?"
    assert unanswered.returncode == 1
    assert "say with --judge-output TEXT what it answers" in unanswered.stdout


def test_a_task_of_a_manifest_is_tried_with_its_templates_and_extraction(folder: Path) -> None:
    numeric = {
        "id": "sums",
        "type": "numeric",
        "dataset": {"file_id": "@rows.jsonl"},
        "prompt_template": "{{ a }} + {{ b }}",
        "target_template": "{{ a + b }}",
        "output_extraction": {"type": "number"},
        "grader": {"type": "python", "source": "@mine.py", "metric_id": "right"},
    }
    (folder / "suite.json").write_text(json.dumps({"manifest": {"tasks": [numeric]}}))
    (folder / "mine.py").write_text(EXACT)

    done = run_proctor(
        *("grader", "test", "--manifest", str(folder / "suite.json")),
        *("--row", '{"a": 1, "b": 2}', "--output", "It is 3.", "--json"),
    )

    assert json.loads(done.stdout)["scores"] == {"right": 1}, done.stderr


@pytest.mark.parametrize(
    ("source", "options", "sentence"),
    [
        ("def grade(:", (), "mine.py: line 1: invalid syntax"),
        (TOGETHER, (), "It defines grade_batch: try --contract batch."),
        (EXACT, ("--extraction", '{"type": "regex", "pattern": "("}'), "output_extraction.pattern"),
    ],
)
def test_a_program_that_a_manifest_could_not_have_is_refused(
    folder: Path, source: str, options: tuple[str, ...], sentence: str
) -> None:
    done = tried(folder, source, "--output", "1", *options)

    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr


def test_a_machine_that_cannot_make_jails_is_told_what_to_do(folder: Path) -> None:
    folder.chmod(0o777)

    done = tried(folder, EXACT, "--output", "1", environment={"GRADER_JAIL_ROOT_DIR": str(folder)})

    assert (done.returncode, done.stdout) == (2, "")
    assert "Error: Graders cannot run here" in done.stderr
    assert "choose another" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_trial_leaves_no_process(folder: Path, number: signal.Signals) -> None:
    (folder / "mine.py").write_text(ENDLESS)
    words = [str(PROCTOR), "grader", "test", str(folder / "mine.py"), "--output", "1"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while "Grading" not in process.stderr.readline():
            pass
        started = descendants(process.pid)

        process.send_signal(number)
        _, said = process.communicate(timeout=30)

    assert len(started) > 1
    assert process.returncode == 130
    assert said.endswith("Error: Interrupted.\n")
    assert not [pid for pid, born in started.items() if started_at(pid) == born]


def descendants(pid: int) -> dict[int, int]:
    """The processes below one, and when each started."""
    found: dict[int, int] = {}
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (thread / "children").read_text().split()):
            found |= {child: started_at(child), **descendants(child)}
    return found


def started_at(pid: int) -> int:
    """When a process started, in ticks since the machine did; 0 when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[19])


def test_a_changed_grader_is_tried_on_the_answers_of_a_run(stack: Stack, folder: Path) -> None:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in sums(3)))
    suite = {"name": "to-try", "manifest": {"tasks": [task("@rows.jsonl", source=EXACT)]}}
    (folder / "suite.json").write_text(json.dumps(suite))
    here = ("--state", str(stack.state_dir))
    proctor(*here, "suites", "create", str(folder / "suite.json"))
    run = json.loads(proctor(*here, "run", "to-try", "--model", "adder", "--watch", "--json"))
    (folder / "samples.jsonl").write_text(proctor(*here, "samples", run["id"], "--json"))

    done = tried(folder, CHANGED, "--samples", str(folder / "samples.jsonl"), "--json")

    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["scores"] for one in found] == [{"right": 1, "run": 1}] * 3, done.stderr
    assert [one["sample_index"] for one in found] == [0, 1, 2]
