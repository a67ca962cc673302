import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from orchestrator.domain.embedding.pairs import score_pairs

LEFT = np.random.default_rng(1).normal(size=(40, 8)).astype(np.float32)
RIGHT = np.random.default_rng(2).normal(size=(40, 8)).astype(np.float32)
GOLD = np.random.default_rng(3).uniform(0, 5, size=40).tolist()


def test_metrics_are_the_correlations_of_similarities_with_gold_scores() -> None:
    metrics = score_pairs(LEFT, RIGHT, GOLD).metrics

    left, right = LEFT.astype(float), RIGHT.astype(float)
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    expected = {
        "cosine": (left * right).sum(axis=1) / lengths,
        "manhattan": -np.abs(left - right).sum(axis=1),
        "euclidean": -np.sqrt(((left - right) ** 2).sum(axis=1)),
    }
    for name, values in expected.items():
        assert metrics[f"{name}_pearson"] == pytest.approx(pearsonr(GOLD, values)[0], abs=1e-5)
        assert metrics[f"{name}_spearman"] == pytest.approx(spearmanr(GOLD, values)[0], abs=1e-5)
    assert metrics["score"] == metrics["cosine_spearman"] == metrics["spearman"]
    assert metrics["pearson"] == metrics["cosine_pearson"]


def test_a_pair_has_its_cosine() -> None:
    left = np.array([[1, 0], [1, 0], [1, 0]], dtype=np.float32)
    right = np.array([[2, 0], [0, 3], [1, 1]], dtype=np.float32)

    samples = score_pairs(left, right, [5.0, 0.0, 3.0]).samples

    found = [sample.scores["cosine_similarity"] for sample in samples]
    assert found == pytest.approx([1.0, 0.0, 0.5**0.5], abs=1e-6)


@pytest.mark.parametrize("gold", [[1.0, 1.0, 1.0], [1.0]])
def test_without_a_correlation_there_is_no_metric_and_no_score(gold: list[float]) -> None:
    count = len(gold)

    scored = score_pairs(LEFT[:count], RIGHT[:count], gold)

    assert scored.metrics == {}
    assert len(scored.samples) == count
