"""A terminal on a fake server, and a suite file."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from unit.cli.terminal import Terminal


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


@pytest.fixture
def suite_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a suite file that refers to a dataset and a grader beside it."""

    def write(task_id: str = "exact") -> Path:
        (tmp_path / "rows.jsonl").write_text('{"q": "1 + 1"}\n')
        (tmp_path / "grader.py").write_text("def grade(sample, item):\n    return 1\n")
        path = tmp_path / "sums.json"
        task = {
            "id": task_id,
            "type": "qa",
            "dataset": {"file_id": "@rows.jsonl"},
            "grader": {"type": "python", "source": "@grader.py"},
        }
        path.write_text(json.dumps({"tasks": [task]}))
        return path

    return write
