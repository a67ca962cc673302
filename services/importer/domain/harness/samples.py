"""From the rows of a samples file to samples, one a document."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import orjson

from importer.domain.harness.answers import answer_of, calls_of, prompt_of, text_of
from importer.domain.harness.documents import ScoreColumn
from importer.domain.harness.lines import BROKEN
from importer.domain.harness.scores import CANONICAL, number_of, values_of
from importer.domain.harness.survey import Survey, filter_of

NOT_AN_OBJECT = "the row is not an object"
NO_SCORE = "the row has no usable score"

_KEPT = ("filter", "doc_hash", "prompt_hash", "target_hash")


class HarnessSample(NamedTuple):
    """A sample as it was recorded; `failure` is empty when it has a score."""

    sample_index: int
    row_json: bytes
    prompt: str
    target: str | None
    output_text: str | None
    extracted_output: str | None
    scores_json: bytes
    judge_json: bytes
    failure: str


class FilteredScores:
    """The scores of all filters by document; needed only when there is more than one filter.

    Feed it every line in order, after the survey.
    """

    def __init__(self, survey: Survey) -> None:
        self._numbers = _Numbers(survey)
        self._names = survey.metrics
        self._columns: dict[str, dict[str, ScoreColumn]] = {}

    def add(self, value: object) -> None:
        """Remember what one line says."""
        place = self._numbers.next(value)
        if place is None or not isinstance(value, dict):
            return
        columns = self._columns.setdefault(place.filter_name, {})
        for name, found in values_of(value):
            score = number_of(name, found)
            if score is not None and name in self._names:
                columns.setdefault(name, ScoreColumn()).put(place.number, float(score))

    def of(self, number: int) -> Iterator[tuple[str, float]]:
        """Yield the scores of a document, named `<metric>,<filter>`."""
        for filter_name, columns in self._columns.items():
            for name, column in columns.items():
                score = column.get(number)
                if score is not None:
                    yield f"{name},{filter_name}", score


class SampleMaker:
    """Makes samples of rows; feed it every line in order, after the survey.

    Args:
        survey: of the same file.
        filtered: scores of all filters; None when there is one filter.
    """

    def __init__(self, survey: Survey, filtered: FilteredScores | None) -> None:
        self._survey = survey
        self._filtered = filtered
        self._numbers = _Numbers(survey)
        self._canonical = survey.canonical
        self._better: dict[str, list[str]] = {}
        ranked = survey.ranked
        for rank, name in enumerate(ranked):
            self._better[name] = ranked[:rank]

    def make(self, value: object) -> HarnessSample | None:
        """Return the sample of one line; None for a broken line and for a lesser filter's."""
        place = self._numbers.next(value)
        if place is None or self._has_better(place):
            return None
        if not isinstance(value, dict):
            return _without_object(place.number)
        calls = calls_of(value)
        answer = answer_of(value, calls)
        scores, raw = self._scores(value, place.number)
        document = value.get("doc")
        return HarnessSample(
            sample_index=place.number,
            row_json=orjson.dumps(document) if isinstance(document, dict) else b"",
            prompt=prompt_of(value, calls),
            target=text_of(value.get("target")),
            output_text=answer.output_text,
            extracted_output=answer.extracted,
            scores_json=orjson.dumps(scores),
            judge_json=_judge(value, raw),
            failure="" if scores else NO_SCORE,
        )

    def _has_better(self, place: "_Place") -> bool:
        better = self._better[place.filter_name]
        return any(self._survey.has_document(name, place.number) for name in better)

    def _scores(
        self, row: Mapping[str, object], number: int
    ) -> tuple[dict[str, float], dict[str, object]]:
        scores: dict[str, float] = {}
        raw: dict[str, object] = {}
        for name, found in values_of(row):
            score = number_of(name, found)
            if score is None:
                raw[name] = found
            else:
                scores[name] = score
        if self._canonical in scores:
            scores[CANONICAL] = scores[self._canonical]
        if self._filtered is not None:
            scores.update(self._filtered.of(number))
        return scores, raw


class _Place(NamedTuple):
    filter_name: str
    number: int


class _Numbers:
    """Numbers the rows of a file: by their ids, or in their order within each filter."""

    def __init__(self, survey: Survey) -> None:
        self._uses_ids = survey.uses_ids
        self._counts: dict[str, int] = {}
        self._last = ""

    def next(self, value: object) -> _Place | None:
        """Return the filter and number of the next line; None when it is broken."""
        if value is BROKEN:
            return None
        row = value if isinstance(value, dict) else None
        self._last = filter_of(row, self._last)
        if self._uses_ids and row is not None:
            return _Place(self._last, row["doc_id"])
        number = self._counts.get(self._last, 0)
        self._counts[self._last] = number + 1
        return _Place(self._last, number)


def _without_object(number: int) -> HarnessSample:
    return HarnessSample(number, b"", "", None, None, None, b"{}", b"", NOT_AN_OBJECT)


def _judge(row: Mapping[str, object], raw: Mapping[str, object]) -> bytes:
    judge: dict[str, object] = {name: row[name] for name in _KEPT if isinstance(row.get(name), str)}
    if raw:
        judge["raw_metrics"] = raw
    return orjson.dumps(judge) if judge else b""
