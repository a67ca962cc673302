"""The main job, end to end, with the published client."""

import json

from e2e.stack import Stack
from e2e.work import create_suite, samples, sums, task, upload_rows, wait

JUDGE = """
def grade(sample, item, ctx):
    answer = ctx.responses_create(input=sample["output_text"] + " - " + item["target"])
    vectors = ctx.embeddings_create(input=[sample["output_text"], item["target"]])
    return {
        "scores": {
            "score": float(answer["output_text"] == "0"),
            "dimensions": len(vectors["data"][0]["embedding"]),
        },
        "reason": "the difference is " + answer["output_text"],
    }
"""

MACRO = """
def grade_batch(samples):
    right = [s["extracted_output"] == s["target"] for s in samples]
    return {"samples": right, "metrics": {"macro": sum(right) / len(right)}}
"""


def test_the_published_client_uploads_runs_polls_lists_and_downloads(stack: Stack) -> None:
    with stack.sdk() as sdk:
        rows = [*sums(7), {"question": "1 + 1", "answer": "3"}]
        file_id = upload_rows(sdk, rows)
        suite_id = create_suite(
            sdk,
            task(file_id, id="exact"),
            task(
                file_id,
                id="judged",
                grader={"type": "python", "contract": "model_backed", "source": JUDGE},
            ),
            task(
                file_id, id="macro", grader={"type": "python", "contract": "batch", "source": MACRO}
            ),
        )

        created = sdk.llm.evals.create_run(
            suite_id=suite_id,
            models=["adder", "chat"],
            judge_model="adder",
            embedding_model="vectors",
            metadata={"purpose": "e2e"},
        )
        run = wait(sdk, created.id)

        assert created.status == "queued"
        assert run.status == "completed", run.error
        assert run.request_counts.model_dump() == {"total": 48, "completed": 48, "failed": 0}
        metrics = json.loads(json.dumps(run.metrics))
        for model in ("adder", "chat"):
            assert metrics["by_task"]["exact"][model]["score"] == 7 / 8
            assert metrics["by_task"]["judged"][model]["score"] == 7 / 8
            assert metrics["by_task"]["macro"][model]["metrics"]["macro"]["value"] == 7 / 8
        assert run.tokens.input is not None

        stored = samples(sdk, run.id)
        assert len(stored) == 48
        assert len({sample.id for sample in stored}) == 48
        assert {sample.status for sample in stored} == {"completed"}
        assert [sample.sample_index for sample in stored] == list(range(8)) * 6
        judged = samples(sdk, run.id, task_id="judged", model="chat", sample_index="3")
        assert judged[0].judge == {"reason": "the difference is 0"}
        assert judged[0].output_text == "3"

        artifacts = sdk.llm.evals.get_artifacts(run_id=run.id)
        assert artifacts.artifact_file_ids == [artifacts.result_file_id, artifacts.samples_file_id]
        result = json.loads(download(stack, artifacts.result_file_id))
        assert result["object"] == "eval.result"
        assert result["run"]["metrics"] == metrics
        lines = download(stack, artifacts.samples_file_id).splitlines()
        assert [json.loads(line)["id"] for line in lines] == [sample.id for sample in stored]


def download(stack: Stack, file_id: str | None) -> str:
    assert file_id is not None
    with stack.sdk() as sdk:
        content = sdk.llm.files.content(file_id=file_id)
        return bytes(content.read()).decode()


def test_pages_of_samples_and_runs_follow_each_other_without_gaps(stack: Stack) -> None:
    with stack.sdk() as sdk:
        file_id = upload_rows(sdk, sums(5))
        run = wait(
            sdk,
            sdk.llm.evals.create_run(
                suite_id=create_suite(sdk, task(file_id)), models=["adder"]
            ).id,
        )

        seen: list[int] = []
        after = None
        while True:
            page = sdk.llm.evals.list_samples(run_id=run.id, limit=2, after=after)
            seen += [sample.sample_index for sample in page.data]
            if not page.has_more:
                break
            after = page.last_id
        assert seen == [0, 1, 2, 3, 4]


def test_a_row_that_cannot_be_rendered_fails_alone_and_reaches_no_model(stack: Stack) -> None:
    with stack.sdk() as sdk:
        before = sum(stack.upstream.calls().values())
        file_id = upload_rows(sdk, [*sums(1), {"answer": "2"}])
        run = wait(
            sdk,
            sdk.llm.evals.create_run(
                suite_id=create_suite(sdk, task(file_id)), models=["adder"]
            ).id,
        )

        good, bad = samples(sdk, run.id)
        assert run.status == "completed"
        assert (good.status, good.scores) == ("completed", {"score": 1.0})
        assert (bad.status, bad.scores, bad.output_text) == ("failed", {}, None)
        assert (bad.error["code"], bad.error["stage"]) == ("template_error", "prepare")
        assert sum(stack.upstream.calls().values()) == before + 1


def test_an_unknown_model_fails_its_samples_and_not_the_others(stack: Stack) -> None:
    with stack.sdk() as sdk:
        file_id = upload_rows(sdk, sums(1))
        run = wait(
            sdk,
            sdk.llm.evals.create_run(
                suite_id=create_suite(sdk, task(file_id)), models=["nobody", "adder"]
            ).id,
        )

        nobody, adder = samples(sdk, run.id)
        assert run.status == "completed"
        assert (nobody.status, nobody.error["code"]) == ("failed", "model_unknown")
        assert (adder.status, adder.scores) == ("completed", {"score": 1.0})
