"""What an import makes of the files of the harness, through the published client."""

import gzip
import json
import zlib

import asyncpg
import pytest

from conformance.rest.importing import TOKEN, Importing
from hub.harness import MOMENT, choice, generation, jsonl, results, simplified

RUNS = "SELECT run_id FROM orchestrator.runs"
STAGES = "SELECT run_id FROM orchestrator.history_stages"

pytestmark = pytest.mark.timeout(240)  # a loaded machine may take a while to start a stack


def test_the_documented_request_gets_the_documented_answer(importing: Importing) -> None:
    importing.hub.add(
        "meetkai/lm-eval-harness-result",
        {
            f"qwen/ur/task{number}/samples.jsonl": jsonl(
                simplified(row, 1.0) for row in range(296 if number < 20 else 295)
            )
            for number in range(30)
        }
        | {"qwen/en/task/samples.jsonl": jsonl([simplified(0, 1.0)])},
    )
    importing.hub.tokens.setdefault(TOKEN, set())

    with importing.sdk() as sdk:
        answer = sdk.llm.evals.import_historical_results(
            x_hugging_face_token=TOKEN,
            source={"path_prefix": "qwen/ur/"},
            suite_name="MKA1 historical eval results",
            create_missing_tasks=True,
            dry_run=False,
            metadata={"owner": "eval-team"},
            timeout_ms=120_000,
        )
        suite = sdk.llm.evals.get_suite(suite_id=answer.suite_id)
        runs = sdk.llm.evals.list_runs(suite_id=answer.suite_id, limit=100)

    told = answer.model_dump()
    assert told.pop("suite_id").startswith("eval_suite_")
    assert told == {
        "object": "eval.import",
        "source": {
            "type": "huggingface",
            "repo": "meetkai/lm-eval-harness-result",
            "revision": "main",
        },
        "suite_version": 1,
        "created_suite": True,
        "created_suite_version": True,
        "dry_run": False,
        "discovered_files": 30,
        "imported_runs": 30,
        "skipped_runs": 0,
        "imported_samples": 8870,
    }
    assert (suite.name, suite.metadata) == ("MKA1 historical eval results", {"owner": "eval-team"})
    assert len(runs.data) == 30
    assert {run.status for run in runs.data} == {"completed"}
    assert {run.models[0] for run in runs.data} == {"qwen/ur"}


def test_an_imported_run_looks_like_any_other(importing: Importing) -> None:
    folder = "org__model-7b"
    commit = importing.put(
        {
            f"{folder}/samples_colours_{MOMENT}.jsonl": jsonl(
                [choice(0, 1, 1), choice(1, 2, 0), choice(2, 0, 0)]
            ),
            f"{folder}/results_{MOMENT}.json": results("org/model-7b"),
        }
    )

    answer = importing.run(metadata={"owner": "us"})
    with importing.sdk() as sdk:
        run = sdk.llm.evals.list_runs(suite_id=answer.suite_id).data[0]
        samples = sdk.llm.evals.list_samples(run_id=run.id).data
        artifacts = sdk.llm.evals.get_artifacts(run_id=run.id)
        told = sdk.llm.files.content(file_id=artifacts.result_file_id).read()
        lines = sdk.llm.files.content(file_id=artifacts.samples_file_id).read().splitlines()
        version = sdk.llm.evals.get_suite_version(suite_id=answer.suite_id, version=1)

    assert (run.status, run.models, run.task_ids) == ("completed", ["org/model-7b"], ["colours"])
    assert run.created_at == run.started_at == run.completed_at == 1772360430
    assert run.metadata == {
        "owner": "us",
        "import_source": "huggingface",
        "import_repo": importing.repo,
        "import_revision": commit,
        "import_path": f"{folder}/samples_colours_{MOMENT}.jsonl",
    }
    assert run.metrics is not None
    metrics = run.metrics["by_task"]["colours"]["org/model-7b"]
    assert metrics["score"] == pytest.approx(2 / 3)
    assert set(metrics["metrics"]) == {"score", "acc", "acc_norm"}
    assert [sample.extracted_output for sample in samples] == ["1", "2", "0"]
    assert [sample.output_text for sample in samples] == ["green", "blue", "red"]
    assert (samples[0].prompt, samples[0].target) == ("Q: question 0\nA:", "1")
    assert samples[0].dataset_row == {
        "question": "question 0",
        "choices": ["red", "green", "blue"],
    }
    assert samples[1].scores == {"acc": 0.0, "acc_norm": 0.0, "score": 0.0}
    assert samples[0].judge == {
        "filter": "none",
        "doc_hash": "d" * 64,
        "prompt_hash": "p" * 64,
        "target_hash": "t" * 64,
    }
    assert json.loads(told)["run"]["id"] == run.id
    assert [json.loads(line)["sample_index"] for line in lines] == [0, 1, 2]
    task = version.manifest.model_dump()["tasks"][0]
    assert (task["id"], task["type"]) == ("colours", "multiple_choice")
    assert task["metadata"] == {"imported": True, "lm_eval_task": "colours"}
    assert task["dataset"]["path"] == importing.repo
    assert [metric["id"] for metric in task["metrics"]] == ["score", "acc", "acc_norm"]


def test_every_layout_of_the_harness_is_read(importing: Importing) -> None:
    two_filters = [
        *(
            generation(number, text, "4", filter="strict-match")
            for number, text in enumerate(("4", "5"))
        ),
        *(generation(number, "4", "4", filter="flexible-extract") for number in range(2)),
    ]
    old = generation(0, "4", "4")
    old["arguments"] = [["Question: old\nAnswer:", {"until": ["\n"]}]]
    for name in ("filter", "metrics", "doc_hash", "prompt_hash", "target_hash"):
        old.pop(name, None)
    messages = json.dumps([{"role": "user", "content": "what?"}])
    chat = generation(0, "4", "4")
    chat["arguments"]["gen_args_0"]["arg_0"] = [messages]
    lists = generation(0, "x", "y", metrics=["bleu", "exact_match"], bleu=["x", "y"])
    importing.put(
        {
            f"m/samples_filters_{MOMENT}.jsonl": jsonl(two_filters),
            f"m/samples_old_{MOMENT}.jsonl": jsonl([old]),
            f"m/samples_chat_{MOMENT}.jsonl.gz": gzip.compress(jsonl([chat])),
            f"m/samples_lists_{MOMENT}.jsonl": jsonl([lists]),
            "m/plain/samples.jsonl": jsonl([simplified(0, 0.5, task="plain", model="a/b")]),
            "m/own_samples.jsonl": jsonl([simplified(0, 0.5)]),
        }
    )

    answer = importing.run()
    with importing.sdk() as sdk:
        runs = {run.task_ids[0]: run for run in sdk.llm.evals.list_runs().data if run.task_ids}
        samples = {
            task: sdk.llm.evals.list_samples(run_id=run.id).data for task, run in runs.items()
        }

    assert (answer.imported_runs, answer.imported_samples) == (6, 7)
    assert samples["filters"][1].scores == {
        "exact_match": 0.0,
        "score": 0.0,
        "exact_match,strict-match": 0.0,
        "exact_match,flexible-extract": 1.0,
    }
    assert samples["old"][0].prompt == "Question: old\nAnswer:"
    assert samples["chat"][0].prompt == "user: what?"
    assert samples["lists"][0].scores == {"exact_match": 0.0, "score": 0.0}
    assert samples["lists"][0].judge is not None
    assert samples["lists"][0].judge["raw_metrics"] == {"bleu": ["x", "y"]}
    assert runs["lists"].metrics is not None
    assert "bleu" not in runs["lists"].metrics["by_task"]["lists"]["m"]["metrics"]
    assert runs["plain"].models == ["a/b"]
    assert samples["plain"][0].scores == {"score": 0.5}
    assert runs["own"].models == ["m"]
    generation_settings = runs["filters"].generation.model_dump(exclude_unset=True)
    assert generation_settings["until"] == ["\n"]
    assert samples["filters"][0].output_text == "It is 4."
    assert samples["filters"][0].extracted_output == "4"


async def test_a_filter_late_in_a_long_file_counts_and_nothing_is_stored_twice(
    importing: Importing,
) -> None:
    early = [generation(number, "4", "4", filter="strict-match") for number in range(3_000)]
    importing.put({"m/late_samples.jsonl": jsonl([*early, generation(0, "5", "4")])})

    answer = importing.run()
    with importing.sdk() as sdk:
        (run,) = sdk.llm.evals.list_runs().data
        first = sdk.llm.evals.list_samples(run_id=run.id, limit=1).data[0]
    connection = await asyncpg.connect(importing.stack.postgres_dsn)
    kept = await connection.fetch(f"{RUNS} WHERE team_id = $1", importing.team.name)
    staged = await connection.fetch(f"{STAGES} WHERE team_id = $1", importing.team.name)
    await connection.close()

    assert answer.imported_samples == run.request_counts.total == 3_000
    assert first.scores == {
        "exact_match": 0.0,
        "score": 0.0,
        "exact_match,none": 0.0,
        "exact_match,strict-match": 1.0,
    }
    assert ([row["run_id"] for row in kept], staged) == ([run.id], [])


def test_a_bad_file_harms_no_other(importing: Importing) -> None:
    good = jsonl([simplified(0, 1.0)])
    half = good + b"{broken\n" + jsonl([simplified(1, 0.0)]) + b"also broken"
    importing.put(
        {
            "m/good_samples.jsonl": good,
            "m/half_samples.jsonl": half,
            "m/zip_samples.jsonl": b"PK\x03\x04" + bytes(range(256)) * 40,
            "m/empty_samples.jsonl": b"",
            "m/long_samples.jsonl": b"1\n" * 1_000_001,
            "m/mostly_samples.jsonl": good + b"x\n" * 2,
            "m/cut_samples.jsonl.gz": gzip.compress(good * 50)[:-20],
            "m/line_samples.jsonl.gz": packed(b"x" * 2**20, times=250),
            "m/bomb_samples.jsonl.gz": packed(b"1\n" * 2**19, times=1_000),
            "m/nothing_samples.jsonl": jsonl([{"prompt": "no score"}, 7]),
            "m/filters_samples.jsonl": jsonl(
                [{"filter": f"f{n}", "doc_id": 0, "acc": 1.0} for n in range(51)]
            ),
        }
    )

    told = importing.files({})
    with importing.sdk() as sdk:
        runs = {run.task_ids[0]: run for run in sdk.llm.evals.list_runs().data if run.task_ids}
        failed = sdk.llm.evals.list_samples(run_id=runs["nothing"].id).data

    assert told == {
        "m/good_samples.jsonl": ("imported", None),
        "m/half_samples.jsonl": ("imported", None),
        "m/zip_samples.jsonl": ("skipped", "mostly_broken"),
        "m/empty_samples.jsonl": ("skipped", "no_rows"),
        "m/long_samples.jsonl": ("skipped", "too_many_rows"),
        "m/mostly_samples.jsonl": ("skipped", "mostly_broken"),
        "m/cut_samples.jsonl.gz": ("skipped", "not_readable"),
        "m/line_samples.jsonl.gz": ("skipped", "mostly_broken"),
        "m/bomb_samples.jsonl.gz": ("skipped", "file_too_large"),
        "m/nothing_samples.jsonl": ("imported", None),
        "m/filters_samples.jsonl": ("skipped", "not_readable"),
    }
    assert runs["half"].request_counts.total == 2
    assert [sample.status for sample in failed] == ["failed", "failed"]
    assert {sample.error["code"] for sample in failed if sample.error} == {"import_no_score"}


def packed(piece: bytes, *, times: int) -> bytes:
    """So many MiB in a small file."""
    packer = zlib.compressobj(level=1, wbits=31)
    return b"".join(packer.compress(piece) for _ in range(times)) + packer.flush()
