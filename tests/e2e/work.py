"""What the end-to-end tests do again and again: upload, describe a suite, run it to its end."""

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from meetkai_mka1 import SDK

Json = dict[str, Any]

ENDED = {"completed", "failed", "cancelled"}

EXACT_MATCH = """
def grade(sample, item):
    return sample["extracted_output"] == item["target"]
"""


def upload_rows(sdk: SDK, rows: Iterable[Mapping[str, object]]) -> str:
    """Id of a JSONL file with these rows."""
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    return sdk.llm.files.upload(
        file={"file_name": "rows.jsonl", "content": content}, purpose="evals"
    ).id


def sums(count: int, *, start: int = 0) -> list[Json]:
    """Rows whose question the mock upstream answers right."""
    return [{"question": f"{start} + {n}", "answer": str(start + n)} for n in range(count)]


def task(file_id: str, *, source: str = EXACT_MATCH, **changes: object) -> Json:
    """A task that asks for `{{question}}` and expects `{{answer}}`."""
    return {
        "id": "task",
        "type": "qa",
        "dataset": {"file_id": file_id, "format": "jsonl"},
        "prompt_template": "{{question}}",
        "target_template": "{{answer}}",
        "grader": {"type": "python", "source": source, "timeout_seconds": 5},
        **changes,
    }


def create_suite(sdk: SDK, *tasks: Json) -> str:
    """Id of a suite with these tasks."""
    manifest: Any = {"tasks": list(tasks)}
    return sdk.llm.evals.create_suite(name="e2e", manifest=manifest).id


def wait(sdk: SDK, run_id: str, *, seconds: float = 60) -> Any:
    """The run once it ended; fails the test when it does not in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        run = sdk.llm.evals.get_run(run_id=run_id)
        if run.status in ENDED:
            return run
        time.sleep(0.1)  # a poll's pause, not a guess at how long the run takes
    raise AssertionError(
        f"run {run_id} is still {run.status} after {seconds} s: {run.request_counts}"
    )


def samples(sdk: SDK, run_id: str, **filters: Any) -> list[Any]:
    """All samples of a run, page by page."""
    found: list[Any] = []
    after = None
    while True:
        page = sdk.llm.evals.list_samples(run_id=run_id, limit=500, after=after, **filters)
        found += page.data
        if not page.has_more:
            return found
        after = page.last_id
