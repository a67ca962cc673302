"""Embedding tasks of all five kinds through the published client, from the upload to artifacts."""

import hashlib
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from meetkai_mka1 import SDK, errors
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import MultiLabelBinarizer

from conformance.rest.teams import Team
from e2e import work
from e2e.stack import Stack
from load.mock_upstream import EMBEDDING_SIZE
from servicekit.ids import new_id

Json = dict[str, Any]

GRADER = {"type": "python", "source": work.EXACT_MATCH}
MODEL = "vectors"
WORDS = ["sun", "moon", "star", "rain", "snow", "wind"]
# A stack needs its time to start, on a busy machine a minute.
pytestmark = pytest.mark.timeout(300)

TEXTS = [f"{left} {right}" for left in WORDS for right in WORDS]


@pytest.fixture(scope="module")
def sdk(team: Team) -> Iterator[SDK]:
    with team.sdk() as client:
        yield client


def vectors(*texts: str) -> NDArray[np.float32]:
    """What the model of these tests makes of texts."""
    digests = [hashlib.sha256(text.encode()).digest()[:EMBEDDING_SIZE] for text in texts]
    return np.array([[byte / 255 for byte in digest] for digest in digests], dtype=np.float32)


def cosine(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    return float(left @ right / np.linalg.norm(left) / np.linalg.norm(right))


def file(sdk: SDK, rows: list[Json]) -> Json:
    return {"file_id": work.upload_rows(sdk, rows), "format": "jsonl"}


def task(rows: Json, **embedding: object) -> Json:
    return {"id": "task", "type": "embedding", "dataset": rows, "embedding": embedding}


def finished(sdk: SDK, wanted: Json, **fields: Any) -> tuple[Any, Json, list[Any]]:
    """The run of a task, what its metrics say of the task, and its samples."""
    suite_id = work.create_suite(sdk, wanted)
    run = sdk.llm.evals.create_run(suite_id=suite_id, models=[MODEL], **fields)
    run = work.wait(sdk, run.id)
    assert run.status == "completed", run.error
    return run, run.metrics["by_task"]["task"][MODEL], work.samples(sdk, run.id)


def test_pairs(sdk: SDK) -> None:
    rows: list[Json] = [
        {"sentence1": left, "sentence2": right, "score": len(left) - len(right) / 2}
        for left, right in zip(TEXTS, TEXTS[7:] + TEXTS[:7], strict=True)
    ]

    run, block, samples = finished(sdk, task(file(sdk, rows), kind="sts"))

    cosines = [cosine(*vectors(row["sentence1"], row["sentence2"])) for row in rows]
    expected = spearmanr([row["score"] for row in rows], cosines)[0]
    assert block["metrics"]["cosine_spearman"]["value"] == pytest.approx(expected, abs=1e-5)
    assert block["score"] == pytest.approx(expected, abs=1e-5)
    assert [s.scores["cosine_similarity"] for s in samples] == pytest.approx(cosines, abs=1e-5)
    assert samples[0].prompt == f"{rows[0]['sentence1']}\n{rows[0]['sentence2']}"
    assert (samples[0].output_text, samples[0].error) == (None, None)
    assert "generation" in samples[0].phase_timings
    assert run.tokens.input == sum(sample.input_tokens for sample in samples) > 0
    assert block["tokens"]["input"] == run.tokens.input


def test_classification(sdk: SDK) -> None:
    rows = [{"sentence": text, "topic": text.split()[0]} for text in TEXTS]
    train = [{"sentence": f"{text} again", "topic": text.split()[0]} for text in TEXTS]

    run, block, samples = finished(
        sdk,
        task(
            file(sdk, rows),
            kind="classification",
            text_column="sentence",
            label_column="topic",
            train_dataset=file(sdk, train),
            samples_per_label=6,
            n_experiments=2,
            seed=1,
        ),
    )

    # Six rows of each label are all there are, so every experiment learns from the same.
    model = LogisticRegression(max_iter=100, random_state=1)
    model.fit(vectors(*(row["sentence"] for row in train)), [row["topic"] for row in train])
    predicted = model.predict(vectors(*(row["sentence"] for row in rows)))
    accuracy = np.mean(predicted == np.array([row["topic"] for row in rows]))
    # In which order rows are learnt from moves a prediction at the border of two labels.
    assert block["score"] == pytest.approx(accuracy, abs=0.06)
    assert block["score"] == block["metrics"]["accuracy"]["value"]
    assert {"f1", "f1_weighted", "precision", "recall"} < set(block["metrics"])
    assert np.mean([s.scores["score"] for s in samples]) == pytest.approx(block["score"])
    assert samples[3].target == rows[3]["topic"]
    assert samples[3].extracted_output in WORDS
    assert run.request_counts.completed == len(rows)


def test_all_datasets_may_be_those_of_a_hub(sdk: SDK, stack: Stack) -> None:
    repo = f"owner/{new_id('set')}"
    rows = [{"text": text, "label": place % 2} for place, text in enumerate(TEXTS)]
    lines = [json.dumps(row).encode() + b"\n" for row in rows]
    files = {"train.jsonl": b"".join(lines[:24]), "test.jsonl": b"".join(lines[24:])}
    stack.hub.add(repo, files)

    run, block, samples = finished(
        sdk,
        task(
            {"path": repo, "split": "test"},
            kind="classification",
            train_dataset={"path": repo, "split": "train"},
        ),
    )

    assert len(samples) == 12
    assert block["score"] == pytest.approx(np.mean([s.scores["accuracy"] for s in samples]))
    assert "ap" in block["metrics"]
    version = sdk.llm.evals.get_suite_version(suite_id=run.suite_id, version=1)
    assert version.dataset_file_ids == []


def test_multilabel_classification(sdk: SDK) -> None:
    rows = [{"text": text, "label": sorted(set(text.split()))} for text in TEXTS]
    train = [{"text": f"{text} again", "label": sorted(set(text.split()))} for text in TEXTS]

    _, block, samples = finished(
        sdk,
        task(
            file(sdk, rows),
            kind="multilabel_classification",
            train_dataset=file(sdk, train),
            samples_per_label=100,
            n_experiments=1,
        ),
    )

    binarizer = MultiLabelBinarizer()
    wanted = binarizer.fit_transform([row["label"] for row in rows])
    model = KNeighborsClassifier(n_neighbors=5)
    learnt = vectors(*(str(row["text"]) for row in train))
    model.fit(learnt, binarizer.transform([row["label"] for row in train]))
    predicted = model.predict(vectors(*(str(row["text"]) for row in rows)))
    assert block["score"] == pytest.approx((predicted == wanted).all(axis=1).mean())
    assert json.loads(samples[1].target) == rows[1]["label"]


def ranked(query: str, documents: Json) -> list[str]:
    [asked] = vectors(query)
    found = {name: cosine(asked, vectors(text)[0]) for name, text in documents.items()}
    return sorted(found, key=lambda name: (-found[name], name))


DOCUMENTS = {f"d{place}": text for place, text in enumerate(TEXTS)}
QRELS = [
    {"query-id": f"q{place}", "corpus-id": name, "score": 1}
    for place, word in enumerate(WORDS)
    for name, text in DOCUMENTS.items()
    if text.startswith(word)
]


def ranking(sdk: SDK, **embedding: object) -> Json:
    queries = [{"_id": f"q{place}", "text": f"about {word}"} for place, word in enumerate(WORDS)]
    corpus = [{"_id": name, "title": "", "text": text} for name, text in DOCUMENTS.items()]
    return task(
        file(sdk, queries),
        corpus_dataset=file(sdk, corpus),
        qrels_dataset=file(sdk, QRELS),
        **embedding,
    )


def hits(place: int, found: list[str]) -> list[int]:
    relevant = {row["corpus-id"] for row in QRELS if row["query-id"] == f"q{place}"}
    return [rank for rank, name in enumerate(found, start=1) if name in relevant]


def test_retrieval(sdk: SDK) -> None:
    _, block, samples = finished(sdk, ranking(sdk, kind="retrieval", k_values=[1, 5]))

    values = []
    for place, word in enumerate(WORDS):
        gained = [rank for rank in hits(place, ranked(f"about {word}", DOCUMENTS)) if rank <= 10]
        best = sum(1 / math.log2(rank + 1) for rank in range(1, len(WORDS) + 1))
        values.append(sum(1 / math.log2(rank + 1) for rank in gained) / best)
    assert block["score"] == block["metrics"]["ndcg_at_10"]["value"]
    assert block["score"] == pytest.approx(np.mean(values), abs=1e-6)
    assert {f"{name}_at_5" for name in ("ndcg", "map", "recall", "precision", "mrr")} < set(
        block["metrics"]
    )
    assert [sample.scores["ndcg_at_10"] for sample in samples] == pytest.approx(values, abs=1e-6)
    first = samples[0].judge["ranking"][0]
    assert first["id"] == ranked(f"about {WORDS[0]}", DOCUMENTS)[0]


def test_reranking(sdk: SDK) -> None:
    candidates = {f"q{place}": list(DOCUMENTS)[place::2] for place in range(len(WORDS))}
    listed = [{"query-id": query, "corpus-ids": names} for query, names in candidates.items()]

    _, block, _ = finished(
        sdk, ranking(sdk, kind="reranking", top_ranked_dataset=file(sdk, listed))
    )

    values = []
    for place, word in enumerate(WORDS):
        mine = {name: DOCUMENTS[name] for name in candidates[f"q{place}"]}
        found = hits(place, ranked(f"about {word}", mine))
        values.append(sum(n / rank for n, rank in enumerate(found, start=1)) / len(WORDS))
    assert block["score"] == block["metrics"]["map_at_1000"]["value"]
    assert block["score"] == pytest.approx(np.mean(values), abs=1e-6)


def test_the_files_of_a_version_are_those_of_all_its_datasets(sdk: SDK) -> None:
    wanted = ranking(sdk, kind="retrieval")
    suite_id = work.create_suite(sdk, wanted)

    version = sdk.llm.evals.get_suite_version(suite_id=suite_id, version=1)

    embedding = wanted["embedding"]
    assert version.dataset_file_ids == [
        wanted["dataset"]["file_id"],
        embedding["corpus_dataset"]["file_id"],
        embedding["qrels_dataset"]["file_id"],
    ]
    stored: Any = version.manifest
    assert stored.tasks[0]["embedding"]["k_values"] == [1, 3, 5, 10, 100]


def test_a_run_is_capped_by_queries_and_its_artifacts_have_the_scores(sdk: SDK) -> None:
    run, _, samples = finished(sdk, ranking(sdk, kind="retrieval"), max_samples_per_task=2)

    artifacts = sdk.llm.evals.get_artifacts(run_id=run.id)
    content = sdk.llm.files.content(file_id=str(artifacts.samples_file_id)).read()
    lines = [json.loads(line) for line in content.splitlines()]

    assert run.request_counts.total == len(samples) == len(lines) == 2
    assert [line["scores"] for line in lines] == [sample.scores for sample in samples]


def test_a_model_that_serves_no_embeddings_fails_samples_with_a_clear_code(sdk: SDK) -> None:
    rows = file(sdk, [{"sentence1": "a", "sentence2": "b", "score": 1}])
    suite_id = work.create_suite(sdk, task(rows, kind="sts"))
    run = work.wait(sdk, sdk.llm.evals.create_run(suite_id=suite_id, models=["adder"]).id)

    [sample] = work.samples(sdk, run.id)

    assert (run.status, run.request_counts.failed) == ("completed", 1)
    assert (sample.error["code"], sample.error["stage"]) == ("invalid_request", "generate")
    assert "does not serve embeddings" in sample.error["message"]
    assert run.metrics["by_task"]["task"]["adder"]["score"] is None


def test_too_much_to_embed_fails_the_run_before_any_call(sdk: SDK) -> None:
    suite_id = work.create_suite(sdk, ranking(sdk, kind="retrieval", max_texts=20))

    run = work.wait(sdk, sdk.llm.evals.create_run(suite_id=suite_id, models=[MODEL]).id)

    assert (run.status, run.error["code"]) == ("failed", "dataset_error")
    assert "`max_texts`, which is 20" in run.error["message"]


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"embedding": None}, "embedding"),
        ({"embedding": {"kind": "retrieval"}}, "embedding.corpus_dataset"),
        ({"embedding": {"kind": "classification"}}, "embedding.train_dataset"),
        ({"embedding": {"kind": "sts", "max_texts": 50_001}}, "embedding.max_texts"),
        ({"embedding": {"kind": "sts", "k_values": [0]}}, "embedding.k_values[0]"),
        ({"prompt_template": "{{text}}"}, "prompt_template"),
        ({"type": "qa", "prompt_template": "x", "grader": GRADER}, "embedding"),
    ],
)
def test_a_broken_embedding_task_is_refused_with_its_place(
    sdk: SDK, changes: Json, param: str
) -> None:
    wanted = task(file(sdk, [{"text": "x"}]), kind="sts") | changes
    given: Any = {key: value for key, value in wanted.items() if value is not None}

    with pytest.raises(errors.SDKDefaultError) as caught:
        work.create_suite(sdk, given)

    error = json.loads(caught.value.body)["error"]
    assert (caught.value.status_code, error["param"]) == (400, f"manifest.tasks[0].{param}")


def test_a_file_of_a_further_dataset_that_is_not_there_is_named(sdk: SDK) -> None:
    missing = {"file_id": f"file_{'0' * 32}", "format": "jsonl"}
    wanted = task(file(sdk, [{"text": "x"}]), kind="classification", train_dataset=missing)

    with pytest.raises(errors.SDKDefaultError) as caught:
        work.create_suite(sdk, wanted)

    error = json.loads(caught.value.body)["error"]
    path = "manifest.tasks[0].embedding.train_dataset.file_id"
    assert (error["reason"], error["param"]) == ("file_not_found", path)
