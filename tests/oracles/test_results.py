"""What the harness itself measured is what its imported results add up to.

The harness asks the real local model; its output folder lies on a hub and is imported through the
published client.
"""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from e2e import work
from e2e.stack import Stack
from localstack.model_server import ModelServer
from oracles.conftest import run_harness

Json = dict[str, Any]

REPO = "team/results"
TOKEN = "hf_reader"  # noqa: S105 (of the stand-in)
MODEL = "local/SmolLM2-135M"

SUMS = {
    "task": "sums",
    "output_type": "generate_until",
    "doc_to_text": "What is {{question}}? Answer with the number only.",
    "doc_to_target": "{{answer}}",
    "generation_kwargs": {"until": ["\n"], "do_sample": False, "max_gen_toks": 16},
    "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    "filter_list": [
        {
            "name": "strict-match",
            "filter": [
                {"function": "regex", "regex_pattern": r"^\s*(\d+)\.?\s*$"},
                {"function": "take_first"},
            ],
        },
        {
            "name": "flexible-extract",
            "filter": [
                {"function": "regex", "group_select": -1, "regex_pattern": r"(\d+)"},
                {"function": "take_first"},
            ],
        },
    ],
}
ECHO = {
    "task": "echo_of_words",
    "output_type": "generate_until",
    "doc_to_text": "Repeat: {{text}}",
    "doc_to_target": "{{text}}",
    "generation_kwargs": {"until": ["\n"], "do_sample": False, "max_gen_toks": 16},
    "metric_list": [
        {
            "metric": "exact_match",
            "aggregation": "mean",
            "higher_is_better": True,
            "ignore_case": True,
        },
        {"metric": "bleu", "aggregation": "bleu", "higher_is_better": True},  # a list a sample
    ],
}
ROWS = {
    "sums": [{"question": f"{n} + {n + 1}", "answer": str(2 * n + 1)} for n in range(12)],
    "echo_of_words": [
        {"text": text} for text in ("hello", "red apple", "Äpfel 🍎", "one two three", "cat")
    ],
}


@dataclass(frozen=True, slots=True)
class Measured:
    """A folder that the harness wrote, and what its results file says by task."""

    folder: Path
    results: Json


@pytest.fixture
async def measured(tmp_path: Path) -> Measured:
    folder = tmp_path
    _describe_tasks(folder)
    model = ModelServer(folder)
    (folder / "logs").mkdir()
    await model.start()
    try:
        await asyncio.to_thread(
            run_harness,
            *("-m", "lm_eval", "--model", "local-chat-completions", "--log_samples"),
            *("--model_args", f"base_url={model.base_url}/chat/completions,model={MODEL}"),
            *("--apply_chat_template", "--include_path", str(folder)),
            *("--tasks", "sums,echo_of_words", "--output_path", str(folder / "out")),
            home=folder,
        )
    finally:
        await model.stop()
    (results,) = (folder / "out").rglob("results_*.json")
    return Measured(folder / "out", json.loads(results.read_text())["results"])


@pytest.mark.timeout(300)
def test_recomputed_means_are_those_of_the_harness(stack: Stack, measured: Measured) -> None:
    stack.hub.add(
        REPO,
        {
            str(file.relative_to(measured.folder)): file.read_bytes()
            for file in measured.folder.rglob("*")
            if file.is_file()
        },
    )
    stack.hub.tokens[TOKEN] = {REPO}
    with stack.sdk() as sdk:
        answer = sdk.llm.evals.import_historical_results(
            x_hugging_face_token=TOKEN, source={"type": "huggingface", "repo": REPO}
        )
        runs = sdk.llm.evals.list_runs(suite_id=answer.suite_id).data
        by_task = {run.task_ids[0]: run for run in runs if run.task_ids}
        echoes = work.samples(sdk, by_task["echo_of_words"].id)

    assert (answer.discovered_files, answer.imported_runs, answer.skipped_runs) == (2, 2, 0)
    assert {model for run in runs for model in run.models} == {MODEL}
    assert set(by_task) == {"sums", "echo_of_words"}
    for task, figures in measured.results.items():
        found = by_task[task].metrics["by_task"][task][MODEL]["metrics"]
        for metric, value in _means(figures):
            assert found[metric]["value"] == pytest.approx(value, abs=1e-9)
    # Of a list-valued metric each sample keeps its own value, and nothing is made of it.
    assert (
        "bleu" not in by_task["echo_of_words"].metrics["by_task"]["echo_of_words"][MODEL]["metrics"]
    )
    assert all("bleu" in sample.judge["raw_metrics"] for sample in echoes)


def _describe_tasks(folder: Path) -> None:
    for task in (SUMS, ECHO):
        rows = folder / f"{task['task']}.jsonl"
        rows.write_text("".join(json.dumps(row) + "\n" for row in ROWS[str(task["task"])]))
        local = {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(rows)}}}
        described = {**task, **local, "test_split": "test"}
        (folder / f"{task['task']}.yaml").write_text(json.dumps(described))  # JSON is YAML


def _means(figures: Json) -> Iterator[tuple[str, float]]:
    """The means of a task, by the name that they have here."""
    filters = {name.partition(",")[2] for name in figures if "," in name}
    for name, value in figures.items():
        metric, _, of_filter = name.partition(",")
        if of_filter and metric == "exact_match":
            yield (metric if len(filters) == 1 else name), value
