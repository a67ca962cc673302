"""Pairs and classification through all of the orchestrator, scored as scikit-learn does it."""

import json

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score

from integration.orchestrator.embedding.embedder import embed, refusing, vectors
from integration.orchestrator.embedding.tasks import dataset, labelled, pairs, task
from integration.orchestrator.world import World
from orchestrator.domain.embedding.drawing import draw_rows
from orchestrator.usecases.embedding import read_rows
from proctor.runs.v1 import run_pb2

COMPLETED = run_pb2.RUN_STATE_COMPLETED

pytestmark = pytest.mark.timeout(120)


def cosines(rows: list[dict[str, str]]) -> list[float]:
    left = vectors(row["sentence1"] for row in rows).astype(float)
    right = vectors(row["sentence2"] for row in rows).astype(float)
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    found: list[float] = ((left * right).sum(axis=1) / lengths).tolist()
    return found


async def test_pairs_are_scored_by_the_correlation_of_their_cosines(world: World) -> None:
    world.bridge.answer = embed
    rows = pairs(world, 100)
    async with world.neighbours(), world.orchestrator():
        suite_id = await world.create_suite(task(kind="sts"))
        run_id = await world.create_run(suite_id, models=["model-a", "model-b"])
        run = await world.ended(run_id)
        samples = await world.samples(run_id)

    assert run.state == COMPLETED, run.error
    metrics = json.loads(run.metrics_json)
    block = metrics["by_task"]["task"]["model-b"]
    expected = spearmanr([row["score"] for row in rows], cosines(rows))[0]
    assert block["metrics"]["cosine_spearman"]["value"] == pytest.approx(expected, abs=1e-5)
    assert block["metrics"]["cosine_spearman"]["count"] is None
    assert block["score"] == block["metrics"]["score"]["value"] == pytest.approx(expected, abs=1e-5)
    assert metrics["by_model"]["model-a"]["score"] == pytest.approx(expected, abs=1e-5)
    found = [json.loads(s.scores_json)["cosine_similarity"] for s in samples[:100]]
    assert found == pytest.approx(cosines(rows), abs=1e-5)
    assert samples[0].prompt == f"{rows[0]['sentence1']}\n{rows[0]['sentence2']}"
    assert not samples[0].HasField("output_text")
    assert samples[0].HasField("generation_start_time")
    # A token is a word, and each of 100 pairs has eight.
    assert sum(s.tokens.input_tokens for s in samples) == run.tokens.input_tokens == 2 * 800


async def test_calls_carry_many_texts_and_no_settings_of_generation(world: World) -> None:
    world.bridge.answer = embed
    pairs(world, 100)
    async with world.neighbours(), world.orchestrator():
        suite_id = await world.create_suite(task(kind="sts"))
        run_id = await world.create_run(suite_id, generation_json=b'{"temperature": 0.5}')
        await world.ended(run_id)

    # They are under way together, so the last may arrive before others.
    lengths = sorted((len(body["input"]) for body in world.bridge.bodies), reverse=True)
    assert lengths == [32] * 6 + [8]
    assert {tuple(sorted(body)) for body in world.bridge.bodies} == {("input", "model")}
    assert {message.purpose for message in world.bridge.messages} == {1}


async def test_labels_are_predicted_by_classifiers_of_drawn_rows(world: World) -> None:
    world.bridge.answer = embed
    test, train = labelled(60, seed=1), labelled(200, seed=2)
    dataset(world, "file_rows", test)
    wanted = task(
        kind="classification",
        train_dataset=dataset(world, "file_train", train),
        samples_per_label=5,
        n_experiments=4,
        seed=3,
    )
    async with world.neighbours(), world.orchestrator():
        run_id = await world.create_run(await world.create_suite(wanted))
        run = await world.ended(run_id)
        samples = await world.samples(run_id)

    assert run.state == COMPLETED, run.error
    labels = [row["label"] for row in test]
    draws = draw_rows([row["label"] for row in train], samples_per_label=5, n_experiments=4, seed=3)
    predicted = []
    for draw in draws:
        model = LogisticRegression(max_iter=100, random_state=3)
        model.fit(vectors(train[row]["text"] for row in draw), [train[r]["label"] for r in draw])
        predicted.append(model.predict(vectors(row["text"] for row in test)))
    found = json.loads(run.metrics_json)["by_task"]["task"]["model-a"]
    accuracy = np.mean([accuracy_score(labels, p) for p in predicted])
    assert found["score"] == found["metrics"]["accuracy"]["value"] == pytest.approx(accuracy)
    f1 = np.mean([f1_score(labels, p, average="macro") for p in predicted])
    assert found["metrics"]["f1"]["value"] == pytest.approx(f1)
    assert found["metrics"]["rejected_texts"] == {
        "value": 0.0,
        "count": None,
        "higher_is_better": False,
        "declared": True,
    }
    shares = [json.loads(sample.scores_json)["score"] for sample in samples]
    assert np.mean(shares) == pytest.approx(accuracy)
    assert samples[0].target == labels[0]
    assert json.loads(samples[0].judge_json)["predictions"]
    # Only drawn rows are embedded, and their tokens are the run's.
    drawn = {row for draw in draws for row in draw}
    asked = [text for body in world.bridge.bodies for text in body["input"]]
    assert len(asked) == 60 + len(drawn)
    assert run.tokens.input_tokens == sum(len(text.split()) for text in asked)


async def test_only_so_many_rows_of_the_task_are_samples(world: World) -> None:
    world.bridge.answer = embed
    pairs(world, 30)
    async with world.neighbours(), world.orchestrator():
        suite_id = await world.create_suite(task(kind="sts"))
        run = await world.ended(await world.create_run(suite_id, max_samples_per_task=7))

    assert run.request_counts.total == 7
    assert sum(len(body["input"]) for body in world.bridge.bodies) == 14


async def test_a_text_that_the_provider_refuses_fails_its_sample_and_no_other(
    world: World,
) -> None:
    world.bridge.answer = refusing(lambda text: text == "refused")
    rows = pairs(world, 20)
    rows[7]["sentence2"] = "refused"
    dataset(world, "file_rows", rows)
    async with world.neighbours(), world.orchestrator():
        run_id = await world.create_run(await world.create_suite(task(kind="sts")))
        run = await world.ended(run_id)
        samples = await world.samples(run_id)

    assert (run.request_counts.completed, run.request_counts.failed) == (19, 1)
    assert samples[7].error.code == "model_http_400"
    assert samples[7].error.stage == "generate"
    block = json.loads(run.metrics_json)["by_task"]["task"]["model-a"]
    kept = rows[:7] + rows[8:]
    expected = spearmanr([row["score"] for row in kept], cosines(kept))[0]
    assert block["score"] == pytest.approx(expected, abs=1e-5)


async def test_a_model_that_refuses_everything_fails_all_samples_with_few_calls(
    world: World,
) -> None:
    world.bridge.answer = refusing(lambda _: True)
    pairs(world, 300)
    async with world.neighbours(), world.orchestrator():
        run = await world.ended(await world.create_run(await world.create_suite(task(kind="sts"))))

    assert run.state == COMPLETED
    assert run.request_counts.failed == 300
    assert json.loads(run.metrics_json)["by_task"]["task"]["model-a"]["score"] is None
    assert world.bridge.calls.total() < 150


async def test_a_row_without_its_columns_fails_alone_and_is_never_embedded(world: World) -> None:
    world.bridge.answer = embed
    rows = pairs(world, 5)
    rows[1] = {"sentence1": "sun", "score": 1}
    rows[2]["score"] = "much"
    dataset(world, "file_rows", rows)
    async with world.neighbours(), world.orchestrator():
        run_id = await world.create_run(await world.create_suite(task(kind="sts")))
        run = await world.ended(run_id)
        samples = await world.samples(run_id)

    assert (run.request_counts.completed, run.request_counts.failed) == (3, 2)
    assert [samples[place].error.message for place in (1, 2)] == [
        "the row has no column `sentence2`",
        "the row has no finite number in the column `score`",
    ]
    assert samples[1].error.code == "template_error"
    assert sum(len(body["input"]) for body in world.bridge.bodies) == 6


async def test_more_rows_than_max_texts_fail_the_run_in_preparation(world: World) -> None:
    dataset(world, "file_rows", labelled(10, seed=1))
    wanted = task(
        kind="classification",
        train_dataset=dataset(world, "file_train", labelled(10, seed=2)),
        max_texts=19,
    )
    async with world.neighbours(), world.orchestrator():
        run = await world.ended(await world.create_run(await world.create_suite(wanted)))

    assert run.state == run_pb2.RUN_STATE_FAILED
    assert run.error.code == "dataset_error"
    assert "more rows to embed than `max_texts`, which is 19" in run.error.message
    assert not world.bridge.calls


async def test_more_labels_than_can_be_learnt_fail_the_run(world: World) -> None:
    dataset(world, "file_rows", [{"text": str(n), "label": n} for n in range(1000)])
    train = dataset(world, "file_train", [{"text": "x", "label": n} for n in range(999, 2001)])
    wanted = task(kind="classification", train_dataset=train)
    async with world.neighbours(), world.orchestrator():
        run = await world.ended(await world.create_run(await world.create_suite(wanted)))

    assert run.error.code == "dataset_error"
    assert "there are more than 2000 different labels" in run.error.message


async def test_more_labels_than_can_be_held_fail_the_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_rows, "HELD_MAX", 14)
    dataset(world, "file_rows", labelled(5, seed=1))
    wanted = task(
        kind="classification", train_dataset=dataset(world, "file_train", labelled(10, seed=2))
    )
    async with world.neighbours(), world.orchestrator():
        run = await world.ended(await world.create_run(await world.create_suite(wanted)))

    assert run.error.code == "dataset_error"
    assert "there are more than 14 labels of all rows together" in run.error.message


async def test_long_texts_are_cut(world: World) -> None:
    world.bridge.answer = embed
    dataset(world, "file_rows", [{"sentence1": "abc" * 9, "sentence2": "b", "score": 1}])
    async with world.neighbours(), world.orchestrator():
        suite_id = await world.create_suite(task(kind="sts", max_chars=5))
        await world.ended(await world.create_run(suite_id))

    assert world.bridge.bodies[0]["input"] == ["abcab", "b"]
