"""Every part of a task, through the published client: what goes in and what the samples show.

All tasks of the tables below are one suite and one run; a test looks at one task's samples.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from e2e import work
from e2e.stack import Stack

Json = dict[str, Any]

ONE = "def grade(sample, item):\n    return 1\n"
SAY = "say:{{text}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task and what becomes of it.

    Attributes:
        rows: Its dataset; a row's `text` is what the model answers.
        parts: Keys of the task beside the dataset.
        shows: What its samples must show, in their order; numbers and texts by field.
        metrics: Values of its metrics in the finished run, where the table says something of them.
        error: Code of the error that all its samples must have.
    """

    rows: tuple[Json, ...] = ({"text": "four", "answer": "4"},)
    parts: Mapping[str, Any] = field(default_factory=dict)
    shows: tuple[Json, ...] = ()
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    error: str | None = None


def _extracts(extraction: Json, *cases: tuple[str, str | None]) -> Task:
    return Task(
        rows=tuple({"text": text} for text, _ in cases),
        parts={"output_extraction": extraction},
        shows=tuple({"output_text": text, "extracted_output": found} for text, found in cases),
    )


def _grades(
    source: str, *, error: str | None = None, grader: Json | None = None, **shows: Any
) -> Task:
    grader = {"type": "python", "source": source, "timeout_seconds": 5, **(grader or {})}
    return Task(
        parts={"grader": grader, "target_template": "{{answer}}"},
        shows=(shows,),
        error=error,
    )


def _grades_all(source: str, *scores: Json, metrics: Json | None = None, **rest: Any) -> Task:
    grader = {"type": "python", "contract": "batch", "source": source, "timeout_seconds": 5}
    return Task(
        rows=({"text": "a"}, {"text": "b"}),
        parts={"grader": grader},
        shows=tuple({"scores": of_sample} for of_sample in scores),
        metrics=metrics or {},
        **rest,
    )


EXTRACTIONS = {
    "none": _extracts({"type": "none"}, ("  as it is \n", "  as it is \n")),
    "take_first": _extracts({"type": "take_first"}, ("\n\n one \n two", "one"), (" \n\t", None)),
    "take_two": _extracts({"type": "take_first", "lines": 2}, ("\na\n\nb\nc", "a\nb")),
    "regex": _extracts(
        {"type": "regex", "pattern": r"answer is (\w+)"},
        ("the answer is x, the answer is y", "x"),
        ("no such thing", None),
    ),
    "regex_named": _extracts(
        {"type": "regex", "pattern": r"(?<what>\w+)!", "group": "what"}, ("go! stop!", "go")
    ),
    "regex_whole": _extracts(
        {"type": "regex", "pattern": r"A(B)?", "group": 0, "flags": "i"}, ("xab", "ab")
    ),
    "regex_absent": _extracts({"type": "regex", "pattern": r"A(B)?"}, ("A", None)),
    "regex_last": _extracts({"type": "regex_last", "pattern": r"\d+"}, ("1, 22, 333.", "333")),
    "labels": _extracts(
        {"type": "label_set", "labels": ["Yes", "No", "No idea"]},
        ("yes", "Yes"),
        ("**No.**", "No"),
        ("I have no idea, yes?", "No idea"),
        ("yesterday", None),
    ),
    "labels_case": _extracts(
        {"type": "label_set", "labels": ["A", "a"], "case_sensitive": True}, ("so a", "a")
    ),
    "number": _extracts(
        {"type": "number"},
        ("It costs $1,234.50 or 7", "1234.50"),
        ("minus: -3e5 of 4", "-3e5"),
        ("+12%", "12"),
        ("none", None),
    ),
}

RESULTS = {
    "number": _grades("def grade(s, i): return 0.25", scores={"score": 0.25}),
    "boolean": _grades("def grade(s, i): return True", scores={"score": 1.0}),
    "metric_id": _grades(
        "def grade(s, i): return 2", grader={"metric_id": "points"}, scores={"points": 2}
    ),
    "plain_dict": _grades(
        "def grade(s, i): return {'a': 1, 'b': None, 'c': False}", scores={"a": 1.0, "c": 0.0}
    ),
    "reserved": _grades(
        "def grade(s, i): return {'score': 1, 'scores': {'b': 2}, 'reason': 'so', 'more': 3,"
        " 'note': 'n', 'metadata': {'k': 1}, 'extracted_output': 'x'}",
        scores={"score": 1.0, "b": 2.0, "more": 3.0},
        judge={"reason": "so", "note": "n", "metadata": {"k": 1}},
        extracted_output="x",
    ),
    "judge_text": _grades(
        "def grade(s, i): return {'score': 1, 'judge': 'because'}", judge={"reason": "because"}
    ),
    "own_error": _grades("def grade(s, i): return {'error': 'no'}", error="grader_error"),
    "nothing": _grades("def grade(s, i): return None", error="invalid_grader_result"),
    "text": _grades("def grade(s, i): return 'yes'", error="invalid_grader_result"),
    "list": _grades("def grade(s, i): return [1]", error="invalid_grader_result"),
    "nan": _grades("def grade(s, i): return float('nan')", error="invalid_score"),
    "raises": _grades("def grade(s, i): raise ValueError('bad')", error="grader_error"),
    "sleeps": _grades(
        "import time\ndef grade(s, i): time.sleep(60)",
        grader={"timeout_seconds": 1},
        error="grader_timeout",
    ),
    "async": _grades("async def grade(s, i): return 1", scores={"score": 1.0}),
    "item_and_sample": _grades(
        "def grade(sample, item):\n"
        "    return {'scores': {\n"
        "        'target': item['target'] == '4' and item['row']['answer'] == '4',\n"
        "        'sample': sample['output_text'] == 'four' and sample['sample_index'] == 0,\n"
        "        'usage': sample['usage']['output_tokens'],\n"
        "        'no_reasoning': 'reasoning' not in sample,\n"
        "        'json': sample['output_json'] is None}}\n",
        scores={"target": 1.0, "sample": 1.0, "usage": 1, "no_reasoning": 1.0, "json": 1.0},
    ),
}

AGGREGATES = {
    "list": _grades_all(
        "def grade_batch(samples): return [i for i, s in enumerate(samples)]",
        {"score": 0},
        {"score": 1},
        metrics={"score": 0.5},
    ),
    "list_gap": _grades_all(
        "def grade_batch(samples): return [None, 1]", {}, {"score": 1}, metrics={"score": 1.0}
    ),
    "partial": _grades_all(
        "def grade_batch(samples):\n"
        "    return {'samples': [{'sample_index': 1, 'score': 5}], 'metrics': {'macro': 0.125}}\n",
        {},
        {"score": 5},
        metrics={"macro": 0.125, "score": 5},
    ),
    "by_id": _grades_all(
        "def grade_batch(samples): return {'samples': {s['id']: 3 for s in samples}}",
        {"score": 3},
        {"score": 3},
    ),
    "metrics": _grades_all(
        "def grade_batch(samples): return {'f1': 0.5}", {}, {}, metrics={"f1": 0.5}
    ),
    "one_number": _grades_all(
        "def grade_batch(samples): return 0.75", {}, {}, metrics={"score": 0.75}
    ),
    "overrides": _grades_all(
        "def grade_batch(samples): return {'samples': [1, 1], 'metrics': {'score': 9}}",
        {"score": 1},
        {"score": 1},
        metrics={"score": 9},
    ),
    "wrong_length": _grades_all(
        "def grade_batch(samples): return [1]", error="invalid_grader_result"
    ),
    "nothing": _grades_all("def grade_batch(samples): return None", error="invalid_grader_result"),
    "raises": _grades_all("def grade_batch(samples): 1 / 0", error="grader_error"),
}

MODELS = {
    "judge_and_vectors": _grades(
        "def grade(sample, item, ctx):\n"
        "    asked = ctx.responses_create(input='say:5')['output_text']\n"
        "    found = ctx.embeddings_create(input=['a', 'b'])['data']\n"
        "    return {'asked': int(asked), 'vectors': len(found), 'calls': ctx.model_calls_used}\n",
        grader={"contract": "model_backed"},
        scores={"asked": 5, "vectors": 2, "calls": 2},
    ),
    "named_model": _grades(
        "def grade(sample, item, ctx):\n"
        "    return int(ctx.responses_create(model='chat', input='2 + 3')['output_text'])\n",
        grader={"contract": "model_backed"},
        scores={"score": 5},
    ),
    "too_many_calls": _grades(
        "def grade(sample, item, ctx):\n"
        "    ctx.responses_create(input='say:1'); ctx.responses_create(input='say:2')\n",
        grader={"contract": "model_backed", "max_model_calls": 1},
        error="grader_error",
    ),
    "catches_the_limit": _grades(
        "def grade(sample, item, ctx):\n"
        "    try:\n"
        "        ctx.responses_create(input='say:1')\n"
        "    except RuntimeError as error:\n"
        "        return 'max_model_calls' in str(error)\n",
        grader={"contract": "model_backed", "max_model_calls": 0},
        scores={"score": 1.0},
    ),
    "no_access": _grades(
        "def grade(sample, item, ctx):\n"
        "    try:\n"
        "        ctx.responses_create(input='say:1')\n"
        "    except PermissionError:\n"
        "        return 1\n",
        scores={"score": 1},
    ),
    "unknown_model": _grades(
        "def grade(sample, item, ctx):\n"
        "    try:\n"
        "        ctx.responses_create(model='nobody', input='say:1')\n"
        "    except RuntimeError as error:\n"
        "        return error.status is None and 'nobody' in str(error)\n",
        grader={"contract": "model_backed"},
        scores={"score": 1.0},
    ),
}

THREE = tuple({"text": text, "answer": text.upper()} for text in ("a", "b", "c"))
SEEN = {"prompt_template": SAY, "target_template": "{{answer}}"}

DATA = {
    "first_examples": Task(
        rows=THREE,
        parts={**SEEN, "fewshot": {"count": 1}},
        shows=(
            {"prompt": "say:b\nB\n\nsay:a"},
            {"prompt": "say:a\nA\n\nsay:b"},
            {"prompt": "say:a\nA\n\nsay:c"},
        ),
    ),
    "count_alone": Task(
        rows=THREE[:2],
        parts={**SEEN, "num_fewshot": 5},
        shows=({"prompt": "say:b\nB\n\nsay:a"}, {"prompt": "say:a\nA\n\nsay:b"}),
    ),
    "own_example_form": Task(
        rows=THREE[:2],
        parts={
            **SEEN,
            "fewshot": {
                "count": 1,
                "prompt_template": "Q{{text}}",
                "target_template": "A{{answer}}",
                "example_template": "{{prompt}}={{target}}",
                "separator": ";",
            },
        },
        shows=({"prompt": "Qb=AB;say:a"}, {"prompt": "Qa=AA;say:b"}),
    ),
    "random_examples": Task(
        rows=THREE[:2],
        parts={**SEEN, "fewshot": {"count": 1, "strategy": "random", "seed": 7}},
        shows=({"prompt": "say:b\nB\n\nsay:a"}, {"prompt": "say:a\nA\n\nsay:b"}),
    ),
    "row_program": Task(
        rows=THREE,
        parts={
            "preprocess": {
                "type": "python",
                "source": "def transform(row):\n"
                "    return None if row['text'] == 'b' else {'text': row['text'] * 2}\n",
            }
        },
        shows=(
            {"sample_index": 0, "dataset_row": {"text": "aa"}, "output_text": "aa"},
            {"sample_index": 1, "dataset_row": {"text": "cc"}, "output_text": "cc"},
        ),
    ),
    "batch_program": Task(
        rows=THREE,
        parts={
            "preprocess": {
                "type": "python",
                "contract": "batch",
                "source": "def transform_batch(rows):\n    return [*rows[::-1], {'text': 'new'}]\n",
            }
        },
        shows=tuple({"output_text": text} for text in ("c", "b", "a", "new")),
    ),
    "choices": Task(
        rows=({"text": "x", "other": "y"},),
        parts={
            "choices": ["{{text}}", "{{other}}"],
            "prompt_template": "say:{% for choice in choices %}"
            "{{ loop.index0|letter }}) {{ choice }} {% endfor %}",
            "target_template": "{{ choices[1] }}",
            "grader": {
                "type": "python",
                "source": "def grade(sample, item): return len(item['choices'])",
            },
        },
        shows=({"output_text": "A) x B) y ", "target": "y", "scores": {"score": 2}},),
    ),
    "values": Task(
        rows=(
            {
                "odd name": "o",
                "nothing": None,
                "yes": True,
                "real": 1.5,
                "many": ["é", {"k": 1}],
                "target": 7,
            },
        ),
        parts={
            "prompt_template": 'say:{{ row["odd name"] }}|{{nothing}}|{{yes}}|{{real}}|{{many}}|'
            "{{task_id}}|{{sample_index}}|{{ absent|default('d') }}"
        },
        shows=({"prompt": 'say:o||true|1.5|["é",{"k":1}]|data_values|0|d', "target": "7"},),
    ),
    "absent_column": Task(
        rows=({"text": "a"},), parts={"prompt_template": "{{absent}}"}, error="template_error"
    ),
}

TABLES = {
    "extraction": EXTRACTIONS,
    "result": RESULTS,
    "aggregate": AGGREGATES,
    "model": MODELS,
    "data": DATA,
}
TASKS = {
    f"{table}_{name}": task for table, of_table in TABLES.items() for name, task in of_table.items()
}


@dataclass(frozen=True, slots=True)
class Finished:
    """The run of all tasks, and its samples by task."""

    run: Any
    samples: Mapping[str, list[Any]]


@pytest.fixture(scope="module")
def finished(stack: Stack) -> Finished:
    with stack.sdk() as sdk:
        tasks = [
            work.task(work.upload_rows(sdk, task.rows), source=ONE)
            | {"prompt_template": SAY, "id": task_id}
            | dict(task.parts)
            for task_id, task in TASKS.items()
        ]
        for task in tasks:
            if "target_template" not in TASKS[task["id"]].parts:
                del task["target_template"]
        suite_id = work.create_suite(sdk, *tasks)
        run = sdk.llm.evals.create_run(
            suite_id=suite_id, models=["adder"], judge_model="adder", embedding_model="vectors"
        )
        run = work.wait(sdk, run.id, seconds=240)
        assert run.status == "completed", run.error
        samples: dict[str, list[Any]] = {task_id: [] for task_id in TASKS}
        for sample in work.samples(sdk, run.id):
            samples[sample.task_id].append(sample)
    return Finished(run, samples)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("task_id", TASKS)
def test_a_task_shows_what_the_contract_says(task_id: str, finished: Finished) -> None:
    task, samples = TASKS[task_id], finished.samples[task_id]
    if task.error:
        assert {sample.error["code"] for sample in samples} == {task.error}
        assert {sample.status for sample in samples} == {"failed"}
        return

    assert [sample.error for sample in samples] == [None] * len(samples)
    for sample, shown in zip(samples, task.shows, strict=True):
        found = sample.model_dump()
        assert {name: found[name] for name in shown} == shown
    measured = finished.run.metrics["by_task"][task_id]["adder"]["metrics"]
    assert {name: measured[name]["value"] for name in task.metrics} == task.metrics
