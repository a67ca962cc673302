"""What docs/graders.md shows does what the page says."""

import json
import re
from pathlib import Path

import pytest

from grader.inside.check import check
from grader.inside.extraction import extract
from grader.inside.fewshot import Examples
from grader.inside.grading import grade_all, grade_one
from grader.inside.jobs import Graded, GradeJob, Grader, JsonObject, Sample
from grader.inside.preprocess import Preprocessor
from grader.inside.row_templates import RowTemplates
from grader.inside.templates import compile_template
from grader.jail.distributions import DISTRIBUTIONS, library_files
from manifest.parsing import parse_manifest

PAGE = (Path(__file__).parents[4] / "docs" / "graders.md").read_text()
EXACT, F1, MACRO, JUDGE, VOTES, ROW, BATCH = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
JSON = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
TEXTS = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)


LOCK = (Path(__file__).parents[4] / "requirements.lock").read_text()


def table(heading: str) -> list[list[str]]:
    """Return the cells of the rows of a table that begins with a header line."""
    lines = PAGE[PAGE.index(heading) :].split("\n\n")[0].splitlines()[2:]
    cells = [re.split(r"(?<!\\)\|", line.strip("| ")) for line in lines]
    return [[cell.strip().replace("\\|", "|") for cell in row] for row in cells]


def quoted(cell: str) -> str | None:
    return None if cell == "null" else cell.strip("`")


def sample(output_text: str, target: str, index: int = 0) -> Sample:
    return {
        "id": f"s{index}",
        "sample_index": index,
        "row": {"question": "q"},
        "prompt": "p",
        "target": target,
        "output_text": output_text,
    }


def job(source: str, grader: Grader) -> GradeJob:
    return {
        "source": source,
        "grader": grader,
        "run": {"run_id": "r", "task_id": "t", "model": "m", "judge_model": "judge"},
    }


def answering(text: str) -> JsonObject:
    return {"id": "resp", "output_text": text}


def graded(
    source: str, one: Sample, grader: Grader | None = None, answer: JsonObject | None = None
) -> Graded:
    reply = answer or {}
    return grade_one({**job(source, grader or {}), "sample": one}, lambda _, __: reply)


def test_the_task_of_the_page_is_a_valid_one() -> None:
    manifest = parse_manifest(json.dumps({"tasks": [JSON[0]]}).encode())

    assert manifest.tasks[0].id == "sums"


@pytest.mark.parametrize("source", [EXACT, F1, MACRO, JUDGE, VOTES])
def test_every_grader_of_the_page_passes_the_check(source: str) -> None:
    contract = "batch" if "grade_batch" in source else "sample"

    verdict = check([{"path": "p", "kind": "grader", "source": source, "contract": contract}])

    assert verdict["violations"] == []


def test_the_first_grader_compares() -> None:
    assert graded(EXACT, sample("4", "4"))["scores"] == {"score": 1.0}
    assert graded(EXACT, sample("5", "4"))["scores"] == {"score": 0.0}


def test_the_f1_grader_counts_words() -> None:
    assert graded(F1, sample("the red fox", "The fox"))["scores"] == {"f1": 0.8, "exact": 0.0}
    assert graded(F1, sample("dog", "fox"))["scores"] == {"f1": 0, "exact": 0.0}


def test_the_batch_grader_gives_scores_and_a_metric() -> None:
    samples = [sample("a", "a", 0), sample("b", "a", 1), sample("b", "b", 2)]

    *results, end = grade_all(job(MACRO, {"contract": "batch"}), samples, lambda _, __: {})

    assert [result.get("scores") for result in results] == [
        {"score": 1.0},
        {"score": 0.0},
        {"score": 1.0},
    ]
    assert end.get("metrics") == {"macro_f1": pytest.approx(2 / 3)}


def test_the_judge_reads_the_last_rating() -> None:
    access: Grader = {"model_access": "mka1"}

    rated = graded(JUDGE, sample("x", "y"), access, answering("So so.\nRating: 7"))
    silent = graded(JUDGE, sample("x", "y"), access, answering("Well."))

    assert (rated["scores"], rated["judge"]) == ({"score": 0.7}, {"reason": "So so.\nRating: 7"})
    assert (silent["outcome"], silent["judge"]) == ("grader_error", {"text": "Well."})


def test_the_voters_are_asked_at_once() -> None:
    access: Grader = {"model_access": "mka1"}
    busy: JsonObject = {"error": {"type": "ModelCallError", "message": "no", "status": 429}}

    assert graded(VOTES, sample("x", "y"), access, answering("Yes!"))["judge"] == {
        "votes": ["yes", "yes", "yes"]
    }
    assert graded(VOTES, sample("x", "y"), access, busy)["outcome"] == "grader_error"


def test_the_traceback_of_the_page_is_a_real_one() -> None:
    error = graded("def grade(sample, item):\n    return 1 / 0\n", sample("", ""))["error"]

    assert error is not None
    assert error["traceback"] == TEXTS[0].rstrip()


def test_the_template_of_the_page_gives_the_prompt_of_the_page() -> None:
    (source,) = re.findall(r"```jinja\n(.*?)\n```", PAGE, re.DOTALL)
    templates = RowTemplates("t", prompt=source, target=None, choices=["{{ good }}", "{{ bad }}"])

    texts = templates.render({"question": "Red?", "good": "yes", "bad": "no"}, 0)

    assert texts.prompt == TEXTS[1].rstrip("\n")


@pytest.mark.parametrize(("_", "example", "gives"), table("| filter | example | gives |"))
def test_filters_give_what_the_table_says(_: str, example: str, gives: str) -> None:
    expected = re.match("`(.*?)`", gives)

    text = compile_template(example.strip("`")).render({"task_id": "t", "sample_index": 0})

    assert text == (expected[1] if expected else text)


def test_the_few_shot_settings_make_a_prompt() -> None:
    (fewshot,) = [block["fewshot"] for block in JSON if "fewshot" in block]
    pool = [json.dumps({"q": place}).encode() for place in range(3)]

    examples = Examples(
        {
            "id": "t",
            "prompt_template": "{{ q }}?",
            "target_template": "{{ q }}!",
            "fewshot": fewshot,
        },
        pool,
        pool_is_own=True,
    )

    assert examples.prompt("2?", 2) == "0?\n0!\n\n1?\n1!\n\n2?"


def test_the_preprocessors_of_the_page_work() -> None:
    rows: list[JsonObject] = [
        {"id": 1, "split": "test", "question": "a \nHint: b"},
        {"id": 2, "split": "train", "question": "c"},
        {"id": 1, "split": "test", "question": "d"},
    ]

    assert list(Preprocessor({"source": ROW}).apply(rows)) == [
        {"id": 1, "split": "test", "question": "a", "hint": "b"},
        {"id": 1, "split": "test", "question": "d", "hint": ""},
    ]
    batch = Preprocessor({"source": BATCH, "contract": "batch"})
    assert [row["question"] for row in batch.apply(rows)] == ["a \nHint: b", "c"]


@pytest.mark.parametrize(("text", "gives"), table("| text | gives |"))
def test_numbers_are_found_as_the_table_says(text: str, gives: str) -> None:
    assert extract({"type": "number"}, quoted(text)) == quoted(gives)


@pytest.mark.parametrize(("labels", "text", "gives"), table("| labels | text | gives |"))
def test_labels_are_found_as_the_table_says(labels: str, text: str, gives: str) -> None:
    names = re.findall("`(.*?)`", labels)

    assert extract({"type": "label_set", "labels": names}, quoted(text)) == quoted(gives)


@pytest.mark.parametrize(
    ("pattern", "text", "first", "last"), table("| pattern | text | `regex` | `regex_last` |")
)
def test_patterns_match_as_the_table_says(pattern: str, text: str, first: str, last: str) -> None:
    source = pattern.strip("`")

    assert extract({"type": "regex", "pattern": source}, quoted(text)) == quoted(first)
    assert extract({"type": "regex_last", "pattern": source}, quoted(text)) == quoted(last)


def test_the_libraries_are_those_of_the_default_list_in_the_versions_of_the_lock() -> None:
    rows = table("| library | version")

    assert {row[0] for row in rows} == {*DISTRIBUTIONS}
    for name, versions, *_ in rows:
        locked = set(re.findall(rf"^{re.escape(name)}==(\S+)", LOCK, re.MULTILINE))
        assert set(re.findall(r"\d+\.\d+\.\d+|\d{4}\.\d+\.\d+", versions)) == locked, name


def test_what_the_libraries_require_is_told() -> None:
    files = library_files(DISTRIBUTIONS)
    packages = {
        name.partition("/")[0].partition(".")[0] for name in files if "dist-info" not in name
    }
    listed = {row[2].strip("`") for row in table("| library | version")}
    required = PAGE[PAGE.index("and what these require:") :].split("Versions are")[0]

    assert {*re.findall(r"`(\w+)`", required)} == packages - listed - {"isympy"}
