import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, ndcg_score

from orchestrator.domain.embedding import ranking
from orchestrator.domain.embedding.ranking import Corpus, ranking_metrics, score_ranking

RANDOM = np.random.default_rng(11)


def test_metrics_of_a_query_are_those_worked_out_by_hand() -> None:
    # Ranked: not relevant, 2, 1, not judged; a third relevant document is not found.
    metrics = ranking_metrics([0, 2, 1, 0], {"a": 0, "b": 2, "c": 1, "d": 1}, [1, 3])

    ideal = 2 / math.log2(2) + 1 / math.log2(3) + 1 / math.log2(4)
    assert metrics == pytest.approx(
        {
            "ndcg_at_1": 0.0,
            "map_at_1": 0.0,
            "recall_at_1": 0.0,
            "precision_at_1": 0.0,
            "mrr_at_1": 0.0,
            "ndcg_at_3": (2 / math.log2(3) + 1 / math.log2(4)) / ideal,
            "map_at_3": (1 / 2 + 2 / 3) / 3,
            "recall_at_3": 2 / 3,
            "precision_at_3": 2 / 3,
            "mrr_at_3": 1 / 2,
        }
    )


def test_whole_rankings_agree_with_scikit_learn() -> None:
    for _ in range(20):
        relevance = RANDOM.integers(0, 3, size=12)
        relevance[0] = 1
        scores = RANDOM.permutation(12).astype(float)
        order = np.argsort(-scores)
        judged = {str(place): float(gain) for place, gain in enumerate(relevance)}

        metrics = ranking_metrics([float(relevance[place]) for place in order], judged, [5, 12])

        for k in (5, 12):
            expected = ndcg_score([relevance], [scores], k=k)
            assert metrics[f"ndcg_at_{k}"] == pytest.approx(expected)
        expected = average_precision_score(relevance > 0, scores)
        assert metrics["map_at_12"] == pytest.approx(expected)


def test_a_query_without_relevant_documents_has_zeros() -> None:
    metrics = ranking_metrics([0.0, -1.0], {"a": 0.0, "b": -1.0}, [3])

    assert set(metrics.values()) == {0.0}


def test_documents_are_ranked_by_cosine_and_equal_ones_by_falling_id() -> None:
    corpus = Corpus(np.array([[1, 0], [2, 0], [0, 1], [3, 3]], dtype=np.float32), list("abcd"))
    [similarities] = corpus.similarities(np.array([[5, 0]], dtype=np.float32))

    assert corpus.best(similarities, most=4) == [1, 0, 3, 2]
    assert corpus.best(similarities, most=1) == [1]
    assert corpus.best_of(["a", "c", "missing", "b"], similarities) == [1, 0, 2]


def test_a_vector_of_zeros_is_similar_to_nothing() -> None:
    corpus = Corpus(np.array([[0, 0], [1, 1]], dtype=np.float32), ["a", "b"])

    [similarities] = corpus.similarities(np.array([[1, 1]], dtype=np.float32))

    assert similarities.tolist() == pytest.approx([0.0, 1.0])


def test_ranking_in_blocks_is_ranking_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = RANDOM.normal(size=(50, 6)).astype(np.float32)
    queries = RANDOM.normal(size=(9, 6)).astype(np.float32)
    ids = [f"d{place}" for place in range(50)]
    relevance = [{f"d{place}": 1.0, f"d{place + 9}": 2.0} for place in range(9)]

    def scored() -> list[dict[str, float]]:
        found = score_ranking(
            "retrieval",
            queries,
            Corpus(documents, ids),
            relevance=relevance,
            candidates=None,
            k_values=[1, 5],
        )
        return [dict(found.metrics), *(dict(sample.scores) for sample in found.samples)]

    whole = scored()
    monkeypatch.setattr(ranking, "_DOCUMENTS_AT_ONCE", 7)
    monkeypatch.setattr(ranking, "_QUERIES_AT_ONCE", 2)

    for blocked, at_once in zip(scored(), whole, strict=True):
        assert blocked == pytest.approx(at_once)


def test_retrieval_has_the_asked_cut_offs_and_always_the_main_one() -> None:
    found = score_ranking(
        "retrieval",
        np.eye(2, dtype=np.float32),
        Corpus(np.eye(2, dtype=np.float32), ["a", "b"]),
        relevance=[{"a": 1.0}, {"a": 1.0}],
        candidates=None,
        k_values=[1],
    )

    assert found.metrics["ndcg_at_1"] == 0.5
    assert found.metrics["score"] == found.metrics["ndcg_at_10"]
    assert found.metrics["ndcg_at_10"] == pytest.approx((1 + 1 / math.log2(3)) / 2)
    assert found.samples[1].scores["score"] == pytest.approx(1 / math.log2(3))
    assert found.samples[1].details["ranking"] == [
        {"id": "b", "similarity": 1.0, "relevance": 0.0},
        {"id": "a", "similarity": 0.0, "relevance": 1.0},
    ]


def test_reranking_looks_at_the_candidates_alone_and_counts_map() -> None:
    documents = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.5, 0.5]], dtype=np.float32)

    found = score_ranking(
        "reranking",
        np.array([[1, 0]], dtype=np.float32),
        Corpus(documents, list("abcd")),
        relevance=[{"c": 1.0, "b": 1.0}],
        candidates=[["c", "d", "b"]],
        k_values=[1, 3],
    )

    assert found.metrics["map_at_1000"] == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert found.metrics["score"] == found.metrics["map_at_1000"]
    assert "ndcg_at_1000" not in found.metrics
    assert [hit["id"] for hit in found.samples[0].details["ranking"]] == ["b", "d", "c"]  # type: ignore[attr-defined]


# What trec_eval 9.0.8 (through pytrec_eval, as MTEB has it) says of the ranking below.
OF_TREC_EVAL = {
    "ndcg_at_1": 0.16666666666666666,
    "map_at_1": 0.03571428571428571,
    "recall_at_1": 0.03571428571428571,
    "precision_at_1": 0.25,
    "ndcg_at_5": 0.22380353137541764,
    "map_at_5": 0.12291666666666666,
    "recall_at_5": 0.19047619047619047,
    "precision_at_5": 0.25,
    "ndcg_at_20": 0.3284240021194644,
    "map_at_20": 0.20651343870881686,
    "recall_at_20": 0.4375,
    "precision_at_20": 0.14375,
}


def test_fixed_vectors_with_many_ties_have_the_figures_of_trec_eval() -> None:
    documents = [[n * 7 % 5 - 2, n * 3 % 7 - 3, n * n % 4] for n in range(60)]
    queries = [[n % 3 - 1, n % 4 - 2, 1] for n in range(8)]
    relevance = [
        {f"doc{(n * 11 + d * 5) % 60}": float((n + d) % 4) for d in range(9)} for n in range(8)
    ]

    metrics = score_ranking(
        "retrieval",
        np.array(queries, dtype=np.float32),
        Corpus(np.array(documents, dtype=np.float32), [f"doc{n}" for n in range(60)]),
        relevance=relevance,
        candidates=None,
        k_values=[1, 5, 20],
    ).metrics

    assert {name: metrics[name] for name in OF_TREC_EVAL} == pytest.approx(OF_TREC_EVAL)
