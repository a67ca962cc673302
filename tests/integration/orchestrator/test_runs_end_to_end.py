"""Runs through all of the orchestrator, with a model and a grader that do what a test wants."""

import asyncio
import json
from typing import Any

import nats
import pytest

from integration.orchestrator.fake_bridge import Answer, echo
from integration.orchestrator.fake_grader import exact_match
from integration.orchestrator.world import GRADER, GROUP_GRADER, World, task
from proctor.models.v1 import model_bridge_service_pb2 as models_pb
from proctor.runs.v1 import run_pb2, sample_pb2
from proctor.sandbox.v1 import sandbox_service_pb2 as sandbox_pb

COMPLETED = run_pb2.RUN_STATE_COMPLETED


async def test_a_run_over_two_models_ends_with_scores_and_metrics(world: World) -> None:
    async with world.neighbours(), world.orchestrator():
        suite_id = await world.create_suite(task(world.rows(5)))

        run_id = await world.create_run(suite_id, models=["model-a", "model-b"])
        run = await world.ended(run_id)

        assert run.state == COMPLETED, run.error
        assert (run.request_counts.total, run.request_counts.completed) == (10, 10)
        assert run.tokens.output_tokens == 10
        assert json.loads(run.metrics_json)["by_model"]["model-b"]["score"] == 1.0
        samples = await world.samples(run_id)
        assert [(s.model, s.sample_index) for s in samples] == [
            (model, index) for model in ("model-a", "model-b") for index in range(5)
        ]
        assert {s.scores_json for s in samples} == {b'{"score": 1.0}'}


def without_usage(body: dict[str, Any]) -> Answer:
    """The echo of a provider that reports no tokens for `model-b`."""
    answer = echo(body)
    if body["model"] == "model-b" and isinstance(answer, models_pb.ModelAnswer):
        answer.ClearField("tokens")
        answer.reasoning = "hello world"
    return answer


async def test_tokens_that_a_provider_does_not_report_are_counted_and_said_to_be(
    world: World,
) -> None:
    world.bridge.answer = without_usage
    async with world.neighbours(), world.orchestrator():
        suite_id = await world.create_suite(task(world.rows(2)))

        run_id = await world.create_run(suite_id, models=["model-a", "model-b"])
        run = await world.ended(run_id)

        reported, counted = [s.tokens for s in await world.samples(run_id) if not s.sample_index]
        assert (reported.input_tokens, reported.estimated) == (3, False)
        # "what is 0", "0" and "hello world"
        assert (counted.input_tokens, counted.output_tokens) == (4, 3)
        assert (counted.reasoning_tokens, counted.estimated) == (2, True)
        metrics = json.loads(run.metrics_json)
        for blocks in (metrics["by_model"], metrics["by_task"]["task"]):
            assert blocks["model-a"]["tokens"]["estimated"] is False
            assert blocks["model-b"]["tokens"] == {
                "input": 8,
                "output": 6,
                "cached": None,
                "reasoning": 4,
                "estimated": True,
            }


async def test_the_candidate_call_has_prompt_settings_and_origin(world: World) -> None:
    generation = {
        "temperature": 0,
        "max_gen_toks": 7,
        "until": ["END"],
        "timeout_seconds": 9,
        "max_retries": 5,
        "made_up": 1,
    }
    async with world.neighbours(), world.orchestrator():
        suite_id = await world.create_suite(task(world.rows(1)))
        run_id = await world.create_run(suite_id, generation_json=json.dumps(generation).encode())
        run = await world.ended(run_id)

    assert world.bridge.bodies == [
        {
            "model": "model-a",
            "input": "what is 0",
            "stream": False,
            "background": False,
            "store": True,
            "temperature": 0.0,
            "max_output_tokens": 7,
            "stop": ["END"],
            "metadata": {
                "eval_run_id": run_id,
                "eval_task_id": "task",
                "eval_sample_index": "0",
            },
        }
    ]
    (call,) = world.bridge.messages
    assert (call.attempt_timeout.seconds, call.max_retries, call.max_empty_retries) == (9, 5, 1)
    assert json.loads(run.generation_json) == generation


async def test_the_answer_is_cut_at_a_stop_sequence_before_it_is_graded(world: World) -> None:
    def chatty(body: dict[str, Any]) -> Answer:
        return models_pb.ModelAnswer(output_text=f"{body['input'].split()[-1]}END and more")

    world.bridge.answer = chatty
    async with world.neighbours(), world.orchestrator():
        suite_id = await world.create_suite(task(world.rows(1)))
        run_id = await world.create_run(suite_id, generation_json=b'{"stop": "END"}')
        await world.ended(run_id)

        (sample,) = await world.samples(run_id)
        assert sample.output_text == "0"
        assert sample.scores_json == b'{"score": 1.0}'


async def test_a_model_failure_fails_its_sample_and_not_the_run(world: World) -> None:
    def moody(body: dict[str, Any]) -> Answer:
        if body["input"].endswith("1"):
            return models_pb.ModelFailure(
                code="model_http_400", message="no", http_status=400, upstream_body="{}\x00"
            )
        return echo(body)

    world.bridge.answer = moody
    async with world.neighbours(), world.orchestrator():
        run_id = await world.create_run(await world.create_suite(task(world.rows(3))))
        run = await world.ended(run_id)

        assert run.state == COMPLETED
        assert (run.request_counts.completed, run.request_counts.failed) == (2, 1)
        sample = (await world.samples(run_id))[1]
        assert sample.state == sample_pb2.SAMPLE_STATE_FAILED
        assert (sample.error.code, sample.error.stage) == ("model_http_400", "generate")
        details = json.loads(sample.error.details_json)
        assert details == {"http_status": 400, "upstream_body": "{}\x00"}


async def test_a_row_that_cannot_be_rendered_fails_its_samples_in_prepare(world: World) -> None:
    file_id = world.importer.add_rows(
        "file_rows", [{"question": "what is 1", "answer": "1"}, {"answer": "2"}]
    )
    async with world.neighbours(), world.orchestrator():
        run_id = await world.create_run(await world.create_suite(task(file_id)))
        run = await world.ended(run_id)

        assert run.state == COMPLETED
        sample = (await world.samples(run_id))[1]
        assert (sample.error.code, sample.error.stage) == ("template_error", "prepare")
        assert sum(world.bridge.calls.values()) == 1


async def test_all_samples_may_fail_in_prepare(world: World) -> None:
    file_id = world.importer.add_rows("file_rows", [{"answer": "2"}])
    async with world.neighbours(), world.orchestrator():
        run_id = await world.create_run(await world.create_suite(task(file_id)))
        run = await world.ended(run_id)

    assert (run.state, run.request_counts.failed) == (COMPLETED, 1)


@pytest.mark.parametrize(
    ("outcome", "told", "code"),
    [
        (sandbox_pb.OUTCOME_GRADER_ERROR, "grader_error", "grader_error"),
        (sandbox_pb.OUTCOME_TIMEOUT, "", "grader_timeout"),
        (sandbox_pb.OUTCOME_OUT_OF_MEMORY, "", "grader_oom"),
        (sandbox_pb.OUTCOME_INVALID_RESULT, "invalid_score", "invalid_score"),
        (sandbox_pb.OUTCOME_SANDBOX_VIOLATION, "", "sandbox_violation"),
    ],
)
async def test_a_program_that_did_badly_fails_its_sample_and_keeps_the_output(
    world: World, outcome: "sandbox_pb.Outcome.ValueType", told: str, code: str
) -> None:
    def badly(sample: sandbox_pb.GradeSample) -> sandbox_pb.SampleOutcome:
        return sandbox_pb.SampleOutcome(
            sample_id=sample.sample_id,
            outcome=outcome,
            error_code=told,
            error_message="it went wrong",
            error_stage="score",
            traceback="line 1",
            judge_json=b'{"stdout": "hello"}',
        )

    world.grader.judge = badly
    async with world.neighbours(), world.orchestrator():
        run_id = await world.create_run(await world.create_suite(task(world.rows(1))))
        run = await world.ended(run_id)

        assert run.state == COMPLETED
        (sample,) = await world.samples(run_id)
        assert (sample.error.code, sample.error.stage) == (code, "score")
        assert json.loads(sample.error.details_json) == {"traceback": "line 1"}
        assert sample.output_text == "0"
        assert sample.judge_json == b'{"stdout": "hello"}'
        assert world.grader.graded.total() == 1


async def test_a_group_is_graded_in_one_execution_after_all_of_it_was_generated(
    world: World,
) -> None:
    world.grader.metrics = {"f1": 0.5}
    grader = {"type": "python", "contract": "batch", "source": GROUP_GRADER}
    async with world.neighbours(), world.orchestrator(shard_samples_max=4):
        suite_id = await world.create_suite(task(world.rows(10), grader=grader))
        run_id = await world.create_run(suite_id, models=["model-a", "model-b"])
        run = await world.ended(run_id)

        assert run.state == COMPLETED
        assert [order.aggregate for order in world.grader.tasks] == [True, True]
        assert run.request_counts.completed == 20
        block = json.loads(run.metrics_json)["by_task"]["task"]["model-a"]
        assert block["metrics"]["f1"] == {
            "value": 0.5,
            "count": None,
            "higher_is_better": True,
            "declared": False,
        }
        assert block["metrics"]["score"]["count"] == 10


async def test_a_model_backed_grader_gets_the_token_and_the_judge(world: World) -> None:
    grader = {"type": "python", "contract": "model_backed", "source": GRADER}
    async with world.neighbours(), world.orchestrator():
        suite_id = await world.create_suite(task(world.rows(1), grader=grader))
        run_id = await world.create_run(suite_id, judge_model="judge")
        await world.ended(run_id)

        (plain,) = [order for order in world.grader.tasks if order.run_id == run_id]
        assert plain.run_token
        assert plain.judge_model == "judge"
        assert not plain.HasField("embedding_model")
        assert json.loads(plain.grader_json)["execution"] == "per_sample"


async def test_a_grader_without_model_access_gets_no_token(world: World) -> None:
    async with world.neighbours(), world.orchestrator():
        await world.ended(await world.create_run(await world.create_suite(task(world.rows(1)))))

    assert [order.run_token for order in world.grader.tasks] == [""]


async def test_a_grader_in_a_file_is_inlined_for_the_jail(world: World) -> None:
    world.importer.add("file_grader", GRADER.encode(), name="grader.py")
    grader = {"type": "python", "file_id": "file_grader"}
    async with world.neighbours(), world.orchestrator():
        run_id = await world.create_run(
            await world.create_suite(task(world.rows(1), grader=grader))
        )
        run = await world.ended(run_id)

    assert run.state == COMPLETED
    (order,) = world.grader.tasks
    assert json.loads(order.grader_json)["source"] == GRADER


async def test_a_run_restricted_to_tasks_and_rows_does_no_more(world: World) -> None:
    file_id = world.rows(9)
    async with world.neighbours(), world.orchestrator():
        suite_id = await world.create_suite(*(task(file_id, id=name) for name in ("a", "b", "c")))
        run_id = await world.create_run(
            suite_id, selects_tasks=True, task_ids=["c", "b"], max_samples_per_task=2
        )
        run = await world.ended(run_id)

        assert run.request_counts.total == 4
        samples = await world.samples(run_id)
        assert [sample.task_id for sample in samples] == ["b", "b", "c", "c"]


async def test_examples_come_from_their_own_dataset(world: World) -> None:
    examples = world.importer.add_rows("file_examples", [{"question": "example", "answer": "x"}])
    fewshot = {"count": 1, "dataset": {"file_id": examples}}
    async with world.neighbours(), world.orchestrator():
        suite_id = await world.create_suite(task(world.rows(1), fewshot=fewshot))
        run_id = await world.create_run(suite_id)
        await world.ended(run_id)

        (sample,) = await world.samples(run_id)
        assert sample.prompt == "example\nwhat is 0"


async def test_text_that_postgres_cannot_hold_is_stored_with_replacements(world: World) -> None:
    def answer(body: dict[str, Any]) -> Answer:
        return models_pb.ModelAnswer(output_text="a\x00b", reasoning="\x00")

    def judge(sample: sandbox_pb.GradeSample) -> sandbox_pb.SampleOutcome:
        outcome = exact_match(sample)
        outcome.scores_json = rb'{"m\u0000": 1, "half\ud800": 2}'
        outcome.judge_json = rb'{"said": "\u0000"}'
        return outcome

    world.bridge.answer, world.grader.judge = answer, judge
    file_id = world.importer.add_rows("file_rows", [{"question": "q\x00", "answer": "a\x00b"}])
    async with world.neighbours(), world.orchestrator():
        run_id = await world.create_run(await world.create_suite(task(file_id)))
        run = await world.ended(run_id)

        assert run.state == COMPLETED, run.error
        (sample,) = await world.samples(run_id, score_metric="m\x00", score_min=1)
        assert (sample.prompt, sample.output_text) == ("q\ufffd", "a\ufffdb")
        assert json.loads(sample.dataset_row_json) == {"question": "q\x00", "answer": "a\x00b"}
        assert json.loads(sample.scores_json) == {"m\ufffd": 1, "half\ufffd": 2}
        assert json.loads(sample.judge_json) == {"said": "\x00"}


async def test_a_completed_run_leaves_its_artifacts_in_the_shapes_of_rest(world: World) -> None:
    async with world.neighbours(), world.orchestrator():
        run_id = await world.create_run(await world.create_suite(task(world.rows(2))))
        run = await world.ended(run_id)

    result_file_id, samples_file_id = run.artifact_file_ids
    result = json.loads(world.importer.content(result_file_id))
    assert result["object"] == "eval.result"
    assert result["run"]["status"] == "completed"
    assert result["run"]["completed_at"] == run.end_time.seconds
    assert result["run"]["metrics"] == json.loads(run.metrics_json)
    assert result["run"]["artifact_file_ids"] == list(run.artifact_file_ids)
    assert result["version"]["manifest"]["tasks"][0]["dataset"]["format"] == "jsonl"
    assert result["suite"]["active_version"] == 1
    lines = world.importer.content(samples_file_id).splitlines()
    samples = [json.loads(line) for line in lines]
    assert [sample["sample_index"] for sample in samples] == [0, 1]
    assert samples[0]["dataset_row"] == {"question": "what is 0", "answer": "0"}
    assert samples[0]["phase_timings"]["generation"]["started_at"].endswith("Z")


async def test_a_preprocessor_that_raises_fails_the_run(world: World) -> None:
    preprocess = {"type": "python", "source": "def transform(row): raise ValueError"}
    async with world.neighbours(), world.orchestrator():
        suite_id = await world.create_suite(task(world.rows(1), preprocess=preprocess))
        run = await world.ended(await world.create_run(suite_id))

    assert run.state == run_pb2.RUN_STATE_FAILED
    assert (run.error.code, run.error.stage) == ("preprocess_failed", "prepare")
    assert run.error.message == "task task, dataset file_rows (rows.jsonl): the preprocessor raised"
    assert not run.artifact_file_ids


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (None, "file_not_found", "dataset file_rows: there is no file file_rows"),
        (b"{", "dataset_error", "dataset file_rows (rows.jsonl): line 1 is not JSON"),
        (b"\n", "empty_dataset", "dataset file_rows (rows.jsonl): there are no rows"),
    ],
)
async def test_a_dataset_that_cannot_be_used_fails_the_run_and_is_named(
    world: World, content: bytes | None, code: str, message: str
) -> None:
    file_id = world.rows(1)
    async with world.neighbours(), world.orchestrator():
        suite_id = await world.create_suite(task(file_id))
        if content is None:
            del world.importer.files["team", file_id]
        else:
            world.importer.add(file_id, content)
        run = await world.ended(await world.create_run(suite_id))

    assert (run.state, run.error.code) == (run_pb2.RUN_STATE_FAILED, code)
    assert run.error.message == f"task task, {message}"


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"x = 1", "grader_invalid", "no grade"),
        (b"\xff", "grader_invalid", "the program is not UTF-8 text"),
        (b"#" * (1024 * 1024 + 1), "grader_invalid", "the file file_grader has more than"),
        (None, "file_not_found", "there is no file file_grader"),
    ],
)
async def test_a_grader_file_that_cannot_be_run_fails_the_run_and_is_named(
    world: World, content: bytes | None, code: str, message: str
) -> None:
    world.importer.add("file_grader", GRADER.encode(), name="grader.py")
    grader = {"type": "python", "file_id": "file_grader"}
    async with world.neighbours(), world.orchestrator():
        suite_id = await world.create_suite(task(world.rows(1), grader=grader))
        if content is None:
            del world.importer.files["team", "file_grader"]
        else:
            world.importer.add("file_grader", content, name="grader.py")
        run = await world.ended(await world.create_run(suite_id))

    assert (run.state, run.error.code, run.error.stage) == (
        run_pb2.RUN_STATE_FAILED,
        code,
        "prepare",
    )
    assert run.error.message.startswith(f"task task, grader file_grader: {message}")
    assert world.bridge.calls.total() == 0


async def test_a_prepared_run_goes_on_without_its_files(world: World) -> None:
    world.importer.add("file_grader", GRADER.encode(), name="grader.py")
    grader = {"type": "python", "file_id": "file_grader"}
    world.grader.may_grade.clear()
    async with world.neighbours(), world.orchestrator():
        suite_id = await world.create_suite(task(world.rows(3), grader=grader))
        run_id = await world.create_run(suite_id)
        await world.until(lambda: world.bridge.calls.total() == 3)
        world.importer.files.clear()
        world.grader.may_grade.set()
        run = await world.ended(run_id)

    assert (run.state, run.request_counts.completed) == (COMPLETED, 3)


async def test_a_preprocessor_in_a_file_is_inlined_for_the_jail(world: World) -> None:
    world.importer.add("file_python", b"def transform(row): return row", name="rows.py")
    preprocess = {"type": "python", "file_id": "file_python"}
    async with world.neighbours(), world.orchestrator():
        suite_id = await world.create_suite(task(world.rows(1), preprocess=preprocess))
        run = await world.ended(await world.create_run(suite_id))

    assert run.state == COMPLETED
    (order,) = world.grader.prepared
    assert json.loads(order.task_json)["preprocess"]["source"].startswith("def transform")


async def test_a_row_too_large_to_travel_fails_the_run(world: World) -> None:
    file_id = world.importer.add_rows("file_rows", [{"question": "x" * 7_000_000}])
    async with world.neighbours(), world.orchestrator():
        run = await world.ended(await world.create_run(await world.create_suite(task(file_id))))

    assert (run.state, run.error.code) == (run_pb2.RUN_STATE_FAILED, "dataset_error")
    assert run.error.message.startswith("task task, dataset file_rows (rows.jsonl): row 0 has ")


async def test_artifacts_that_are_too_large_fail_the_run(world: World) -> None:
    world.importer.too_large = True
    async with world.neighbours(), world.orchestrator():
        run = await world.ended(
            await world.create_run(await world.create_suite(task(world.rows(1))))
        )

    assert (run.state, run.error.code, run.error.stage) == (
        run_pb2.RUN_STATE_FAILED,
        "artifact_too_large",
        "finalize",
    )
    assert (run.request_counts.completed, len(run.artifact_file_ids)) == (1, 0)


async def test_a_work_message_that_comes_again_later_changes_nothing(world: World) -> None:
    async with world.neighbours(), world.orchestrator():
        run_id = await world.create_run(await world.create_suite(task(world.rows(1))))
        await world.ended(run_id)
        connection = await nats.connect(world.nats_url)
        try:
            jetstream = connection.jetstream()
            run_body = json.dumps({"run_id": run_id}).encode()
            shard_body = json.dumps({"run_id": run_id, "shard_no": 0}).encode()
            await jetstream.publish("proctor.work.run.prepare", run_body)
            await jetstream.publish("proctor.work.run.finalize", run_body)
            await jetstream.publish("proctor.work.shard", shard_body)
            async with asyncio.timeout(10):
                while (await jetstream.stream_info("WORK")).state.messages:
                    await asyncio.sleep(0.02)
        finally:
            await connection.close()

        assert (await world.get_run(run_id)).state == COMPLETED
        assert world.bridge.calls.total() == 1


async def test_each_fact_of_a_run_is_announced_once_as_a_cloud_event(world: World) -> None:
    connection = await nats.connect(world.nats_url)
    try:
        async with world.neighbours(), world.orchestrator():
            run_id = await world.create_run(await world.create_suite(task(world.rows(1))))
            await world.ended(run_id)
            events = await connection.jetstream().subscribe(
                "proctor.events.run.*.v1.org.team", ordered_consumer=True
            )
            heard = [await events.next_msg(timeout=10) for _ in range(3)]
    finally:
        await connection.close()

    assert [message.subject.split(".")[3] for message in heard] == [
        "queued",
        "started",
        "completed",
    ]
    last = heard[-1]
    assert last.headers is not None
    assert last.headers["ce-type"] == "proctor.run.completed.v1"
    assert last.headers["ce-id"] == last.headers["Nats-Msg-Id"]
    body = json.loads(last.data)
    assert body["run"]["run_id"] == run_id
    assert body["metrics"]["by_model"]["model-a"]["score"] == 1.0
    assert "metrics_json" not in body["run"]
    assert "what is" not in last.data.decode()
