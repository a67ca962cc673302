"""Retrieval and reranking: how far in front relevant documents stand, as trec_eval counts it."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from manifest.embedding import EmbeddingKind
from orchestrator.domain.embedding.names import MAIN_METRIC, SCORE
from orchestrator.domain.embedding.scores import (
    GroupScores,
    SampleScore,
    Vectors,
    with_main,
)

# Similarities of so many queries to all documents are in memory at a time: 64 x 50,000 float32 are
# 13 MB.
_QUERIES_AT_ONCE = 64
_DOCUMENTS_AT_ONCE = 4_096

_SHOWN = 10
_SAMPLE_CUT_OFF = 10
_FAMILIES = ("ndcg", "map", "recall", "precision", "mrr")
_MAIN_CUT_OFF: Mapping[EmbeddingKind, int] = {"retrieval": 10, "reranking": 1_000}

Relevance = Mapping[str, float]
"""From document to its relevance for one query; what is missing or 0 is not relevant."""


class Corpus:
    """Documents that have vectors.

    Args:
        vectors: One row a document; may lie on disk.
        ids: Their ids, all different.
    """

    def __init__(self, vectors: Vectors, ids: Sequence[str]) -> None:
        self._vectors = vectors
        self.ids = ids
        self._place = {document: place for place, document in enumerate(ids)}
        self._norms = np.concatenate(
            [np.zeros(0, dtype=np.float32)]
            + [np.linalg.norm(vectors[span], axis=1) for span in _spans(len(ids))]
        )
        # Equal similarities stand in falling order of ids, as trec_eval has it.
        falling = sorted(range(len(ids)), key=lambda place: ids[place], reverse=True)
        self._tie_rank = np.empty(len(ids), dtype=np.int64)
        self._tie_rank[falling] = np.arange(len(ids))

    def similarities(self, queries: Vectors) -> NDArray[np.float32]:
        """Return the cosine of each query and document; 0 where a vector is all zeros."""
        found = np.empty((len(queries), len(self.ids)), dtype=np.float32)
        for span in _spans(len(self.ids)):
            found[:, span] = queries @ self._vectors[span].T
        lengths = np.linalg.norm(queries, axis=1)[:, None] * self._norms[None, :]
        np.divide(found, lengths, out=found, where=lengths > 0)
        return found

    def best(self, similarities: NDArray[np.float32], *, most: int) -> list[int]:
        """Return the places of the most similar documents, best first."""
        places = np.arange(len(similarities))
        if most < len(similarities):
            least = np.partition(similarities, len(similarities) - most)[-most]
            places = np.flatnonzero(similarities >= least)
        return self._ordered(places, similarities)[:most]

    def best_of(self, candidates: Sequence[str], similarities: NDArray[np.float32]) -> list[int]:
        """Return the places of all candidates that have a vector, best first."""
        places = [self._place[one] for one in candidates if one in self._place]
        return self._ordered(np.array(places, dtype=np.int64), similarities)

    def _ordered(self, places: NDArray[np.int64], similarities: NDArray[np.float32]) -> list[int]:
        order = np.lexsort((self._tie_rank[places], -similarities[places]))
        return [int(place) for place in places[order]]


def score_ranking(
    kind: EmbeddingKind,
    queries: Vectors,
    corpus: Corpus,
    *,
    relevance: Sequence[Relevance],
    candidates: Sequence[Sequence[str]] | None,
    k_values: Sequence[int],
) -> GroupScores:
    """Rank documents for each query and average the metrics.

    Args:
        kind: `retrieval` or `reranking`.
        queries: One row a query.
        corpus: Documents.
        relevance: Of documents, for each query.
        candidates: Documents to rank for each query; None for all.
        k_values: Cut-offs; those of the main metric and of samples are added.
    """
    main_cut_off = _MAIN_CUT_OFF[kind]
    cut_offs = sorted({*k_values, _SAMPLE_CUT_OFF})
    samples: list[SampleScore] = []
    totals: dict[str, list[float]] = {}
    for start in range(0, len(queries), _QUERIES_AT_ONCE):
        block = corpus.similarities(queries[start : start + _QUERIES_AT_ONCE])
        for offset, similarities in enumerate(block):
            place = start + offset
            if candidates is None:
                most = max(cut_offs[-1], main_cut_off)
                ranked = corpus.best(similarities, most=most)
            else:
                ranked = corpus.best_of(candidates[place], similarities)
            gains = [relevance[place].get(corpus.ids[one], 0.0) for one in ranked]
            metrics = ranking_metrics(gains, relevance[place], cut_offs)
            if kind == "reranking":
                metrics |= _only("map", ranking_metrics(gains, relevance[place], [main_cut_off]))
            for name, value in metrics.items():
                totals.setdefault(name, []).append(value)
            shown = [(corpus.ids[one], similarities[one]) for one in ranked[:_SHOWN]]
            samples.append(_sample(kind, metrics, shown, relevance[place]))
    means = {name: math.fsum(values) / len(values) for name, values in totals.items()}
    return GroupScores(metrics=with_main(means, kind), samples=samples)


def ranking_metrics(
    gains: Sequence[float], relevance: Relevance, cut_offs: Sequence[int]
) -> dict[str, float]:
    """Return the metrics of one query.

    Args:
        gains: Relevance of the documents in their ranked order.
        relevance: Of all judged documents, ranked or not.
        cut_offs: Each gives one metric of every family.
    """
    positive = [max(gain, 0.0) for gain in gains]
    ideal = sorted((max(gain, 0.0) for gain in relevance.values()), reverse=True)
    relevant = sum(1 for gain in ideal if gain > 0)
    metrics: dict[str, float] = {}
    for k in cut_offs:
        hits = [place for place, gain in enumerate(positive[:k], start=1) if gain > 0]
        precisions = (count / place for count, place in enumerate(hits, start=1))
        best = _discounted(ideal[:k])
        metrics[f"ndcg_at_{k}"] = _discounted(positive[:k]) / best if best else 0.0
        metrics[f"map_at_{k}"] = sum(precisions) / relevant if relevant else 0.0
        metrics[f"recall_at_{k}"] = len(hits) / relevant if relevant else 0.0
        metrics[f"precision_at_{k}"] = len(hits) / k
        metrics[f"mrr_at_{k}"] = 1.0 / hits[0] if hits else 0.0
    return metrics


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(place + 1) for place, gain in enumerate(gains, start=1))


def _only(family: str, metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name.startswith(f"{family}_at_")}


def _sample(
    kind: EmbeddingKind,
    metrics: Mapping[str, float],
    shown: Sequence[tuple[str, float]],
    relevance: Relevance,
) -> SampleScore:
    main = MAIN_METRIC[kind]
    kept = {f"{family}_at_{_SAMPLE_CUT_OFF}" for family in _FAMILIES} | {main}
    scores = {name: value for name, value in metrics.items() if name in kept}
    ranking = [
        {"id": document, "similarity": float(value), "relevance": relevance.get(document, 0.0)}
        for document, value in shown
    ]
    return SampleScore(scores=scores | {SCORE: metrics[main]}, details={"ranking": ranking})


def _spans(count: int) -> list[slice]:
    return [
        slice(start, min(start + _DOCUMENTS_AT_ONCE, count))
        for start in range(0, count, _DOCUMENTS_AT_ONCE)
    ]
