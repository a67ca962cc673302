"""A program that drives every core operation with the older published client, unmodified.

It runs with that client's folder before all others. Arguments: the stack's address, a key, a
repository of historical results and a token that opens it.
Printed is one line of JSON: the client's version, its methods, and those of them that answered.
"""

import importlib.metadata
import inspect
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import meetkai_mka1

ROWS = b'{"question": "1 + 1", "answer": "2"}\n{"question": "2 + 2", "answer": "4"}\n'
GRADER = "def grade(sample, item):\n    return sample['extracted_output'] == item['target']\n"


class Client:
    """The client's methods by name; notes which were called and answered."""

    def __init__(self, sdk: Any) -> None:
        self._parts = {"evals": sdk.llm.evals, "files": sdk.llm.files}
        self.answered: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        part, _, method = name.partition("_")

        def call(**arguments: Any) -> Any:
            answer = getattr(self._parts[part], method)(**arguments)
            if name not in self.answered:
                self.answered.append(name)
            return answer

        return call

    def offered(self) -> list[str]:
        """Every operation that this version of the client has."""
        return [
            f"{part}_{name}"
            for part, methods in self._parts.items()
            for name, _ in inspect.getmembers(methods, inspect.ismethod)
            if not name.startswith(("_", "do_request")) and not name.endswith("_async")
        ]


def drive(client: Client, repo: str, hub_token: str) -> None:
    file_id = drive_files(client)
    suite_id = drive_suites(client, file_id)
    drive_runs(client, suite_id)
    assert client.evals_delete_suite(suite_id=suite_id).deleted_runs >= 1
    assert client.files_delete(file_id=file_id).deleted
    drive_imports(client, repo, hub_token)


def drive_files(client: Client) -> str:
    uploaded = client.files_upload(
        file={"file_name": "rows.jsonl", "content": ROWS}, purpose="evals"
    )
    assert client.files_get(file_id=uploaded.id).bytes_ == len(ROWS)
    assert [file.id for file in client.files_list(purpose="evals").data] == [uploaded.id]
    assert client.files_content(file_id=uploaded.id).read() == ROWS
    return str(uploaded.id)


def drive_suites(client: Client, file_id: str) -> str:
    manifest = {
        "tasks": [
            {
                "id": "sums",
                "type": "numeric",
                "dataset": {"file_id": file_id, "format": "jsonl"},
                "prompt_template": "{{question}}",
                "target_template": "{{answer}}",
                "grader": {"type": "python", "source": GRADER},
            }
        ]
    }
    suite = client.evals_create_suite(name="older", manifest=manifest, metadata={"by": "0.5.27"})
    staged = client.evals_create_suite_version(
        suite_id=suite.id, manifest=manifest, make_active=False
    )
    assert staged.version == 2
    assert client.evals_get_suite(suite_id=suite.id).active_version == 1
    assert [found.id for found in client.evals_list_suites().data] == [suite.id]
    assert len(client.evals_list_suite_versions(suite_id=suite.id).data) == 2
    assert client.evals_get_suite_version(suite_id=suite.id, version=2).id == staged.id
    return str(suite.id)


def drive_imports(client: Client, repo: str, hub_token: str) -> None:
    imported = client.evals_import_historical_results(
        x_hugging_face_token=hub_token,
        source={"repo": repo, "path_prefix": "model/"},
        metadata={"by": "0.5.27"},
    )
    assert (imported.discovered_files, imported.imported_runs) == (1, 1)
    (run,) = client.evals_list_runs(suite_id=imported.suite_id).data
    assert (run.status, run.request_counts.completed) == ("completed", 2)
    assert client.evals_delete_suite(suite_id=imported.suite_id).deleted_runs == 1


def drive_runs(client: Client, suite_id: str) -> None:
    models = ["adder", "nobody"]
    run = client.evals_create_run(suite_id=suite_id, models=models, concurrency=2)
    ended = wait(client, run.id)
    counts = ended.request_counts
    assert (ended.status, counts.total, counts.completed, counts.failed) == ("completed", 4, 2, 2)
    good = client.evals_list_samples(run_id=run.id, model="adder", status="completed")
    assert [sample.scores["score"] for sample in good.data] == [1, 1]
    files = client.evals_get_artifacts(run_id=run.id)
    assert client.files_content(file_id=files.samples_file_id).read().count(b"\n") == 4

    assert client.evals_rerun_failed_samples(run_id=run.id).status == "queued"
    assert wait(client, run.id).status == "completed"

    slow = client.evals_create_run(suite_id=suite_id, models=["slow"], concurrency=1)
    assert client.evals_cancel_run(run_id=slow.id).status in ("cancelling", "cancelled")
    assert wait(client, slow.id).status == "cancelled"
    client.evals_retry_failed_run(run_id=slow.id)
    assert wait(client, slow.id).status == "completed"

    assert {found.id for found in client.evals_list_runs(suite_id=suite_id).data} == {
        run.id,
        slow.id,
    }
    assert client.evals_delete_run(run_id=slow.id).deleted


def wait(client: Client, run_id: str) -> Any:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        run = client.evals_get_run(run_id=run_id)
        if run.status in ("completed", "failed", "cancelled"):
            return run
        time.sleep(0.1)  # a poll's pause
    raise AssertionError(f"run {run_id} did not end")


def main() -> None:
    address, key, repo, hub_token = sys.argv[1:]
    # Typed against the newer client, which the project's own environment has.
    sdk: Any = meetkai_mka1.SDK(bearer_auth=key, server_url=address)
    client = Client(sdk)
    drive(client, repo, hub_token)
    version = importlib.metadata.version("meetkai-mka1")
    told = {"version": version, "offered": client.offered(), "answered": client.answered}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
