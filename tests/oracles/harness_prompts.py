"""A program that renders prompts with lm-evaluation-harness, out of its own task files.

It runs in an environment that has the harness. Standard input: a JSON object, task name to
`{"rows": [...], "examples": [...], "count": int}`. Printed is a JSON object, task name to `config`
(what the task file says, as far as prompts are concerned), `prompts` and `targets`, one a row. The
rows stand in for the task's dataset; examples are the first ones instead of drawn ones, unless the
task file brings its own.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks import TaskManager
from lm_eval.tasks._yaml_loader import load_yaml

ASKED_CONFIG = (
    "description",
    "doc_to_text",
    "doc_to_target",
    "target_delimiter",
    "fewshot_delimiter",
)
SPLITS = ("training_split", "validation_split", "test_split", "fewshot_split")


def main() -> None:
    """Render what standard input asks for."""
    manager = TaskManager()
    asked = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as folder:
        rendered = {name: render(manager, name, work, Path(folder)) for name, work in asked.items()}
    json.dump(rendered, sys.stdout)


def render(manager: TaskManager, name: str, work: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The prompts and targets of one task over the given rows."""
    config = task_config(manager, name, work, folder)
    task = ConfigurableTask(config=config)
    own_examples = (config.get("fewshot_config") or {}).get("samples")
    docs = list(task.test_docs())
    return {
        "config": {key: getattr(task.config, key) for key in ASKED_CONFIG},
        "own_examples": own_examples,
        "prompts": [task.fewshot_context(doc, work["count"]) for doc in docs],
        "targets": [task.doc_to_target(doc) for doc in docs],
    }


def task_config(
    manager: TaskManager, name: str, work: dict[str, Any], folder: Path
) -> dict[str, Any]:
    """The task file's settings with local files in the place of its dataset."""
    config: dict[str, Any] = load_yaml(manager.task_index[name].yaml_path, resolve_func=False)
    files = {}
    for split in ("rows", "examples"):
        file = folder / f"{name}-{split}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in work[split]))
        files[split] = str(file)
    for key in (*SPLITS, "dataset_name", "process_docs"):
        config.pop(key, None)
    fewshot = {"sampler": "first_n"} | (config.get("fewshot_config") or {})
    drawn_from = {} if "samples" in fewshot else {"fewshot_split": "examples"}
    return (
        config
        | drawn_from
        | {
            "task": name,
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": files},
            "test_split": "rows",
            "fewshot_config": fewshot,
            "num_fewshot": work["count"],
        }
    )


if __name__ == "__main__":
    main()
