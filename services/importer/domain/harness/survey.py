"""The first look at a samples file: what is in it, before anything is made of it."""

from collections.abc import Mapping
from typing import TypeGuard

from importer.domain.harness.answers import calls_of, has_choices
from importer.domain.harness.documents import INDEX_MAX, DocumentSet, scores_bytes
from importer.domain.harness.lines import BROKEN
from importer.domain.harness.scores import (
    canonical_of,
    number_of,
    ranked_filters,
    values_of,
)

ROWS_MAX = 1_000_000  # as many as a dataset may have
FILTERS_MAX = 50
FILTER_CHARS_MAX = 128
# Of a document, with several filters: metrics times filters.
COLUMNS_MAX = 1_000
SCORES_BYTES_MAX = 512 * 1024 * 1024  # scores of all filters are held while samples are made
_NAMES_MAX = 1_000

UNFILTERED = ""


class Survey:
    """What a samples file holds; feed it every line in order.

    Attributes:
        rows: usable lines, objects or not.
        broken: lines that were not JSON, too long or too deep.
        filters: lines by filter, in the order of their first lines.
        first: the first row that is an object, without its document and prompts.
        generation: the generation settings of that row.
        chooses: some row has more than one call to the model.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.broken = 0
        self.filters: dict[str, int] = {}
        self.first: Mapping[str, object] | None = None
        self.generation: Mapping[str, object] = {}
        self.chooses = False
        self._with_numbers: dict[str, bool] = {}
        self._ids: dict[str, DocumentSet] = {}
        self._ids_usable = True
        self._last = UNFILTERED
        self._filters_unusable = False
        self._highest = 0
        self._scores = 0

    def add(self, value: object) -> None:
        """Look at the value of one line."""
        if value is BROKEN:
            self.broken += 1
            return
        self.rows += 1
        row = value if isinstance(value, dict) else None
        self._last = filter_of(row, self._last)
        if self._last in self.filters:
            self.filters[self._last] += 1
        elif len(self.filters) < FILTERS_MAX and len(self._last) <= FILTER_CHARS_MAX:
            self.filters[self._last] = 1
        else:
            self._filters_unusable = True
            return
        if row is None:
            self._ids_usable = False
            return
        self._note_id(row.get("doc_id"))
        for name, found in values_of(row):
            has_number = number_of(name, found) is not None
            self._note_metric(name, has_number)
            self._scores += has_number
        if self.first is None:
            self.first = _small(row)
            self.generation = _generation_of(row)
        if not self.chooses:
            self.chooses = has_choices(row)

    @property
    def is_mostly_broken(self) -> bool:
        """Whether more than half of the lines cannot be used."""
        return self.broken > self.rows

    @property
    def holds_too_much(self) -> bool:
        """Whether more would have to be held of the file than any results need."""
        columns = len(self.filters) * len(self._with_numbers) if len(self.filters) > 1 else 0
        highest = self._highest if self._ids_usable else self.rows
        needed = scores_bytes(columns=columns, highest=highest, scores=self._scores)
        too_wide = self._filters_unusable or columns > COLUMNS_MAX
        return too_wide or (columns > 0 and needed > SCORES_BYTES_MAX)

    @property
    def has_one_filter(self) -> bool:
        """Whether all lines so far are of one filter, and there are some."""
        return len(self.filters) == 1 and not self._filters_unusable

    @property
    def uses_ids(self) -> bool:
        """Whether `doc_id` tells documents apart: a whole number from 0, once with each filter."""
        return self._ids_usable

    @property
    def metrics(self) -> dict[str, bool]:
        """Metrics in their order, and whether some row has a number for it."""
        return dict(self._with_numbers)

    @property
    def canonical(self) -> str | None:
        """The metric that counts."""
        return canonical_of([name for name, numbers in self._with_numbers.items() if numbers])

    @property
    def ranked(self) -> list[str]:
        """The filters, the preferred one first."""
        return ranked_filters(list(self.filters))

    def has_document(self, filter_name: str, number: int) -> bool:
        """Tell whether a document has a row with this filter."""
        if self._ids_usable:
            return number in self._ids[filter_name]
        return number < self.filters[filter_name]

    def _note_id(self, doc_id: object) -> None:
        if not self._ids_usable:
            return
        seen = self._ids.get(self._last)
        if seen is None:
            seen = self._ids[self._last] = DocumentSet()
        if not _is_index(doc_id) or not seen.add(doc_id):
            self._ids_usable = False
            self._ids.clear()
            return
        self._highest = max(self._highest, doc_id)

    def _note_metric(self, name: str, has_number: bool) -> None:  # noqa: FBT001 -- one call
        if name in self._with_numbers:
            self._with_numbers[name] |= has_number
        elif len(self._with_numbers) < _NAMES_MAX:
            self._with_numbers[name] = has_number


def filter_of(row: Mapping[str, object] | None, last: str) -> str:
    """Return the filter of a row; what is no object goes with the rows before."""
    if row is None:
        return last
    name = row.get("filter")
    return name if isinstance(name, str) else UNFILTERED


def _is_index(doc_id: object) -> TypeGuard[int]:
    return isinstance(doc_id, int) and not isinstance(doc_id, bool) and 0 <= doc_id <= INDEX_MAX


def _small(row: Mapping[str, object]) -> Mapping[str, object]:
    wanted = ("model", "model_name", "task", "task_name")
    return {name: row[name] for name in wanted if isinstance(row.get(name), str)}


def _generation_of(row: Mapping[str, object]) -> Mapping[str, object]:
    calls = calls_of(row)
    settings = calls[0][1] if calls and len(calls[0]) > 1 else None
    return settings if isinstance(settings, dict) else {}
