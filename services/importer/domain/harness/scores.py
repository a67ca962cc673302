"""Which of a row's values are scores, and which of them is the one that counts."""

from collections.abc import Collection, Iterator, Mapping

CANONICAL = "score"
METRIC_CHARS_MAX = 128
ROW_METRICS_MAX = 200

_BYPASS = "bypass"
_BOOKKEEPING = frozenset(
    {
        *("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"),
        *("doc_hash", "prompt_hash", "target_hash", "model", "model_name", "task", "task_name"),
        *("prompt", "input", "question", "output", "response", "prediction", "id"),
    }
)
# The contract's order of preference.
_PREFERRED = (
    *(CANONICAL, "exact_match", "acc", "acc_norm", "pass@1", "f1", "prompt_level_strict_acc"),
    *("rougeL", "bleu", "chrf", "wer"),
)
_PREFERRED_FILTERS = ("none", "strict-match", "flexible-extract")


def values_of(row: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Yield the metrics of a row with their values, in the order in which it names them."""
    named = row.get("metrics")
    if isinstance(named, list):
        for name in dict.fromkeys([*named[:ROW_METRICS_MAX], CANONICAL]):
            if isinstance(name, str) and name in row and _is_name(name):
                yield name, row[name]
        return
    found = 0
    for name, value in row.items():
        if isinstance(value, int | float) and name not in _BOOKKEEPING and _is_name(name):
            yield name, value
            found += 1
            if found == ROW_METRICS_MAX:
                return


def number_of(name: str, value: object) -> float | int | None:
    """Return the score in a metric's value; None when there is none that can be averaged."""
    if name == _BYPASS:
        return None
    if isinstance(value, bool):
        return int(value)
    return value if isinstance(value, int | float) else None


def canonical_of(names: Collection[str]) -> str | None:
    """Return the metric that counts, of those with numbers in their order; None without any."""
    preferred = next((name for name in _PREFERRED if name in names), None)
    return preferred or next(iter(names), None)


def ranked_filters(names: Collection[str]) -> list[str]:
    """Return filters with the preferred one first."""
    first = [name for name in _PREFERRED_FILTERS if name in names]
    return [*first, *(name for name in names if name not in first)]


def _is_name(name: str) -> bool:
    return 0 < len(name) <= METRIC_CHARS_MAX
