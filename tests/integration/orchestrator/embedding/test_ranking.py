"""Retrieval, reranking and lists of labels through all of the orchestrator."""

import json
import math
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import MultiLabelBinarizer

from integration.orchestrator.embedding.embedder import embed, refusing, vectors
from integration.orchestrator.embedding.tasks import WORDS, dataset, sentences, task
from integration.orchestrator.world import World
from orchestrator.domain.embedding.drawing import draw_multilabel_rows
from orchestrator.usecases.embedding import read_rows
from proctor.runs.v1 import run_pb2

COMPLETED = run_pb2.RUN_STATE_COMPLETED

pytestmark = pytest.mark.timeout(120)

DOCUMENTS = [
    {"_id": f"d{place}", "title": text.split()[0], "text": text}
    for place, text in enumerate(sentences(80, seed=5, words=6))
]
QUERIES: list[dict[str, Any]] = [
    {"_id": place, "text": text} for place, text in enumerate(sentences(12, seed=6, words=3))
]
QRELS: list[dict[str, Any]] = [
    {"query-id": query["_id"], "corpus-id": document["_id"], "score": 1 + place % 2}
    for place, query in enumerate(QUERIES)
    for document in DOCUMENTS
    if query["text"].split()[0] in document["text"].split()[:2]
]


def ranking(world: World, **embedding: Any) -> dict[str, Any]:
    dataset(world, "file_rows", embedding.pop("queries", QUERIES))
    return task(
        corpus_dataset=dataset(world, "file_corpus", DOCUMENTS),
        qrels_dataset=dataset(world, "file_qrels", QRELS),
        **embedding,
    )


def ranked(query: dict[str, Any], documents: list[dict[str, str]]) -> list[str]:
    """Ids of documents by falling cosine."""
    texts = [f"{document['title']} {document['text']}" for document in documents]
    found = vectors(texts).astype(float)
    asked = vectors([query["text"]]).astype(float)[0]
    cosines = found @ asked / np.linalg.norm(found, axis=1) / np.linalg.norm(asked)
    order = np.lexsort(([documents.index(d) for d in documents], -cosines))
    return [documents[place]["_id"] for place in order]


def judged(query: dict[str, Any]) -> dict[str, int]:
    return {row["corpus-id"]: row["score"] for row in QRELS if row["query-id"] == query["_id"]}


def ndcg(query: dict[str, Any], documents: list[dict[str, str]], k: int) -> float:
    def discounted(gains: list[int]) -> float:
        return sum(gain / math.log2(place + 2) for place, gain in enumerate(gains[:k]))

    relevance = judged(query)
    gains = [relevance.get(document, 0) for document in ranked(query, documents)]
    return discounted(gains) / discounted(sorted(relevance.values(), reverse=True))


KNOWN = [query for query in QUERIES if judged(query)]


async def test_queries_are_scored_by_where_their_documents_stand(world: World) -> None:
    world.bridge.answer = embed
    wanted = ranking(world, kind="retrieval", k_values=[3])
    async with world.neighbours(), world.orchestrator():
        run_id = await world.create_run(await world.create_suite(wanted))
        run = await world.ended(run_id)
        samples = await world.samples(run_id)

    assert run.state == COMPLETED, run.error
    # A query of which nothing is known is no sample.
    assert [sample.prompt for sample in samples] == [query["text"] for query in KNOWN]
    block = json.loads(run.metrics_json)["by_task"]["task"]["model-a"]
    for k in (3, 10):
        expected = np.mean([ndcg(query, DOCUMENTS, k) for query in KNOWN])
        assert block["metrics"][f"ndcg_at_{k}"]["value"] == pytest.approx(expected, abs=1e-6)
    assert block["score"] == block["metrics"]["ndcg_at_10"]["value"]
    assert {"map_at_3", "recall_at_3", "precision_at_3", "mrr_at_3"} < set(block["metrics"])
    for query, sample in zip(KNOWN, samples, strict=True):
        scores = json.loads(sample.scores_json)
        assert scores["score"] == pytest.approx(ndcg(query, DOCUMENTS, 10), abs=1e-6)
        hits = [hit["id"] for hit in json.loads(sample.judge_json)["ranking"]]
        assert hits == ranked(query, DOCUMENTS)[:10]
    words = sum(len(f"{d['title']} {d['text']}".split()) for d in DOCUMENTS) + 3 * len(KNOWN)
    assert run.tokens.input_tokens == words
    assert block["tokens"]["input"] == words


@pytest.mark.parametrize("listed", ["in the rows", "in a dataset"])
async def test_reranking_embeds_and_ranks_the_candidates_alone(world: World, listed: str) -> None:
    world.bridge.answer = embed
    candidates = {
        str(query["_id"]): [f"d{(7 * place + step) % 40}" for step in range(15)]
        for place, query in enumerate(QUERIES)
    }
    queries = [query | {"corpus-ids": candidates[str(query["_id"])]} for query in QUERIES]
    if listed == "in the rows":
        wanted = ranking(world, kind="reranking", queries=queries)
    else:
        rows = [{"query-id": key, "corpus-ids": ids} for key, ids in candidates.items()]
        further = {"top_ranked_dataset": dataset(world, "file_top", rows)}
        wanted = ranking(world, kind="reranking", **further)
    async with world.neighbours(), world.orchestrator():
        run_id = await world.create_run(await world.create_suite(wanted))
        run = await world.ended(run_id)

    assert run.state == COMPLETED, run.error
    expected = []
    for query in KNOWN:
        mine = [d for d in DOCUMENTS if d["_id"] in candidates[str(query["_id"])]]
        hits = [
            place for place, one in enumerate(ranked(query, mine), start=1) if one in judged(query)
        ]
        precisions = [count / place for count, place in enumerate(hits, start=1)]
        expected.append(sum(precisions) / len(judged(query)))
    block = json.loads(run.metrics_json)["by_task"]["task"]["model-a"]
    assert block["score"] == pytest.approx(np.mean(expected), abs=1e-6)
    assert block["score"] == block["metrics"]["map_at_1000"]["value"]
    asked = [text for body in world.bridge.bodies for text in body["input"]]
    wanted_documents = {one for query in KNOWN for one in candidates[str(query["_id"])]}
    assert len(asked) == len(KNOWN) + len(wanted_documents)


@pytest.mark.parametrize("listed", ["in the rows", "in a dataset"])
async def test_more_candidates_than_can_be_held_fail_the_run(
    world: World, monkeypatch: pytest.MonkeyPatch, listed: str
) -> None:
    monkeypatch.setattr(read_rows, "HELD_MAX", 5)
    rows = [{"query-id": query["_id"], "corpus-ids": ["d1", "d2", "d3"]} for query in QUERIES]
    if listed == "in the rows":
        queries = [query | {"corpus-ids": ["d1", "d2", "d3"]} for query in QUERIES]
        wanted = ranking(world, kind="reranking", queries=queries)
    else:
        further = {"top_ranked_dataset": dataset(world, "file_top", rows)}
        wanted = ranking(world, kind="reranking", **further)
    async with world.neighbours(), world.orchestrator():
        run = await world.ended(await world.create_run(await world.create_suite(wanted)))

    assert run.error.code == "dataset_error"
    assert "there are more than 5 candidates of all queries together" in run.error.message


async def test_a_document_that_the_provider_refuses_leaves_a_hole_that_is_counted(
    world: World,
) -> None:
    gone = DOCUMENTS[3]
    text = f"{gone['title']} {gone['text']}"
    world.bridge.answer = refusing(lambda asked: asked == text, status=413)
    wanted = ranking(world, kind="retrieval")
    async with world.neighbours(), world.orchestrator():
        run = await world.ended(await world.create_run(await world.create_suite(wanted)))

    assert run.state == COMPLETED, run.error
    block = json.loads(run.metrics_json)["by_task"]["task"]["model-a"]
    assert block["metrics"]["rejected_texts"]["value"] == 1.0
    rest = [document for document in DOCUMENTS if document is not gone]
    expected = np.mean([ndcg(query, rest, 10) for query in KNOWN])
    assert block["score"] == pytest.approx(expected, abs=1e-6)


async def test_lists_of_labels_are_predicted_by_neighbours(world: World) -> None:
    world.bridge.answer = embed

    def rows(count: int, seed: int) -> list[dict[str, Any]]:
        return [
            {"text": text, "label": sorted(set(text.split()) & set(WORDS[:4]))}
            for text in sentences(count, seed=seed)
        ]

    test, train = rows(40, 8), rows(120, 9)
    dataset(world, "file_rows", test)
    wanted = task(
        kind="multilabel_classification",
        train_dataset=dataset(world, "file_train", train),
        n_experiments=3,
    )
    async with world.neighbours(), world.orchestrator():
        run_id = await world.create_run(await world.create_suite(wanted))
        run = await world.ended(run_id)
        samples = await world.samples(run_id)

    assert run.state == COMPLETED, run.error
    binarizer = MultiLabelBinarizer()
    truth = binarizer.fit_transform([row["label"] for row in test])
    draws = draw_multilabel_rows(
        [row["label"] for row in train], samples_per_label=8, n_experiments=3, seed=42
    )
    accuracies = []
    for draw in draws:
        model = KNeighborsClassifier(n_neighbors=5)
        model.fit(
            vectors(train[row]["text"] for row in draw),
            binarizer.transform([train[row]["label"] for row in draw]),
        )
        predicted = model.predict(vectors(row["text"] for row in test))
        accuracies.append(accuracy_score(truth, predicted))
    block = json.loads(run.metrics_json)["by_task"]["task"]["model-a"]
    assert block["score"] == pytest.approx(np.mean(accuracies))
    assert {"f1", "lrap", "hamming"} < set(block["metrics"])
    assert json.loads(samples[0].target) == test[0]["label"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"id": "d1", "text": "x"}], "row 0 has no column `_id`"),
        ([{"_id": "d1", "body": "x"}], "row 0 has no column `text`"),
        ([{"_id": "d1", "text": "x"}, {"_id": [], "text": "x"}], "row 1 has no text or whole"),
    ],
)
async def test_a_corpus_without_its_columns_fails_the_run_and_says_where(
    world: World, rows: list[dict[str, Any]], message: str
) -> None:
    wanted = ranking(world, kind="retrieval")
    dataset(world, "file_corpus", rows)
    async with world.neighbours(), world.orchestrator():
        run = await world.ended(await world.create_run(await world.create_suite(wanted)))

    assert run.state == run_pb2.RUN_STATE_FAILED
    assert run.error.code == "dataset_error"
    assert f"task task, corpus_dataset file_corpus (rows.jsonl): {message}" in run.error.message


async def test_queries_that_nobody_judged_make_an_empty_task(world: World) -> None:
    wanted = ranking(world, kind="retrieval", queries=[{"_id": "unknown", "text": "sun"}])
    async with world.neighbours(), world.orchestrator():
        run = await world.ended(await world.create_run(await world.create_suite(wanted)))

    assert run.error.code == "empty_dataset"
