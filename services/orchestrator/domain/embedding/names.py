"""Names of metrics; known also where nobody computes with vectors."""

from collections.abc import Mapping

from manifest.embedding import EmbeddingKind

SCORE = "score"
REJECTED_TEXTS = "rejected_texts"

# The figure that MTEB's leaderboards show for most tasks of the kind.
MAIN_METRIC: Mapping[EmbeddingKind, str] = {
    "sts": "cosine_spearman",
    "classification": "accuracy",
    "multilabel_classification": "accuracy",
    "retrieval": "ndcg_at_10",
    "reranking": "map_at_1000",
}
