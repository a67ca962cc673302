"""Filters as SQL: text that is ours, values that are parameters."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from orchestrator.domain.listing import SampleFilter
from orchestrator.domain.text import storable

Term = tuple[str, Sequence[object]]
"""A condition with `{0}`, `{1}` for its values."""

_TASK = "s.task_ord = (SELECT task_ord FROM run_tasks WHERE run_id = $1 AND task_id = {0}::text)"
_SCORE = (
    "CASE WHEN jsonb_typeof(s.scores -> {0}::text) = 'number'"
    " THEN (s.scores -> {0}::text)::numeric SIGN {1}::float8::numeric ELSE false END"
)
_AFTER = "(s.task_ord, s.model_ord, s.sample_index) > ({0}::int, {1}::int, {2}::int)"


@dataclass(frozen=True, slots=True)
class Conditions:
    """Further terms of a WHERE, each starting with AND, and the values of their parameters."""

    sql: str
    values: Sequence[object]


def conditions(terms: Iterable[Term], *, first_number: int) -> Conditions:
    """Join terms, their parameters numbered from `first_number`."""
    parts: list[str] = []
    values: list[object] = []
    for term, of_term in terms:
        numbers = [f"${first_number + len(values) + place}" for place in range(len(of_term))]
        parts.append(" AND " + term.format(*numbers))
        values.extend(of_term)
    return Conditions("".join(parts), values)


def sample_terms(
    wanted: SampleFilter, *, models: Sequence[str], after: tuple[int, int, int] | None
) -> Iterator[Term]:
    """Yield the terms of a filter; a task or model that the run does not have selects nothing."""
    if wanted.task_id:
        yield _TASK, [storable(wanted.task_id)]
    if wanted.model:
        model_ord = models.index(wanted.model) if wanted.model in models else -1
        yield "s.model_ord = {0}::int", [model_ord]
    if wanted.states:
        yield "s.state = ANY({0}::text[])", [list(wanted.states)]
    # Keys with U+0000 are stored without it, so they are sought without it.
    metric = storable(wanted.score_metric)
    if wanted.score_min is not None:
        yield _SCORE.replace("SIGN", ">="), [metric, wanted.score_min]
    if wanted.score_max is not None:
        yield _SCORE.replace("SIGN", "<="), [metric, wanted.score_max]
    if wanted.sample_indices:
        yield "s.sample_index = ANY({0}::int[])", [list(wanted.sample_indices)]
    if after is not None:
        yield _AFTER, list(after)
