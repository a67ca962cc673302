"""Read what a batch grader returned."""

from collections.abc import Sequence
from typing import NamedTuple, TypeGuard

from grader.inside.jsonvalues import is_number, is_object, is_sequence, is_text
from grader.inside.results import (
    Fields,
    InvalidResultError,
    Scores,
    fields_of,
    kind_of,
    scores_of,
    shown,
)

_ENTRIES = "samples"
_KEYS = ("id", "sample_index")


class SampleKey(NamedTuple):
    """What a batch grader may call a sample by."""

    id: str
    sample_index: int


class BatchResult(NamedTuple):
    """A batch's results by place in the batch, for `read_result`; a place left out has none."""

    by_place: dict[int, object]
    metrics: Scores | None


def read_batch(returned: object, samples: Sequence[SampleKey], metric_id: str) -> BatchResult:
    """Read the outer shape of what `grade_batch` returned; a bare number is the metric `metric_id`.

    Raises:
        InvalidResultError: it is no result of this batch.
    """
    if is_number(returned):
        return BatchResult({}, scores_of({metric_id: returned}))
    if is_sequence(returned):
        _check_length(returned, samples)
        return BatchResult(_listed(returned, samples), None)
    if not is_object(returned):
        raise InvalidResultError(
            "a batch grader returns a list with one entry for each sample, or an object, "
            f"not {kind_of(returned)}"
        )
    fields = fields_of(returned, "the result")
    if not fields:
        raise InvalidResultError("a batch grader returned an empty object")
    if fields.keys().isdisjoint((_ENTRIES, "metrics")):
        return BatchResult({}, scores_of(fields))
    return _read_fields(fields, samples)


def _read_fields(fields: Fields, samples: Sequence[SampleKey]) -> BatchResult:
    unknown = sorted(fields.keys() - {_ENTRIES, "metrics"})
    if unknown:
        raise InvalidResultError(
            f"{shown(unknown[0])} has no meaning next to `samples` and `metrics`"
        )
    metrics = None
    if fields.get("metrics") is not None:
        metrics = scores_of(fields_of(fields["metrics"], "metrics"))
    entries = fields.get(_ENTRIES)
    if entries is None:
        return BatchResult({}, metrics)
    if is_sequence(entries):
        return BatchResult(_listed(entries, samples), metrics)
    return BatchResult(_named(fields_of(entries, _ENTRIES), samples), metrics)


def _named(entries: Fields, samples: Sequence[SampleKey]) -> dict[int, object]:
    places = {sample.id: place for place, sample in enumerate(samples)}
    for sample_id in entries:
        if sample_id not in places:
            raise InvalidResultError(f"no sample of the batch has the id {shown(sample_id)}")
    return {places[key]: result for key, result in entries.items() if result is not None}


def _listed(entries: Sequence[object], samples: Sequence[SampleKey]) -> dict[int, object]:
    """Place entries by the id or index that all of them carry, else by their order."""
    present = {place: entry for place, entry in enumerate(entries) if entry is not None}
    keyed = [dict(dict.items(entry)) for entry in present.values() if _is_keyed(entry)]
    if len(keyed) < len(present) or not keyed:
        if entries:
            _check_length(entries, samples)
        return present
    by_id = {sample.id: place for place, sample in enumerate(samples)}
    by_index = {sample.sample_index: place for place, sample in enumerate(samples)}
    by_place: dict[int, object] = {}
    for entry in keyed:
        place = _place(entry, by_id, by_index)
        if place in by_place:
            raise InvalidResultError(f"sample {samples[place].sample_index} has two results")
        by_place[place] = {key: value for key, value in entry.items() if key not in _KEYS}
    return by_place


def _is_keyed(entry: object) -> TypeGuard[dict[object, object]]:
    return is_object(entry) and any(dict.get(entry, key) is not None for key in _KEYS)


def _place(entry: dict[object, object], by_id: dict[str, int], by_index: dict[int, int]) -> int:
    places: set[int | None] = set()
    if (sample_id := entry.get("id")) is not None:
        places.add(by_id.get(sample_id) if is_text(sample_id) else None)
    if (index := entry.get("sample_index")) is not None:
        places.add(by_index.get(index) if type(index) is int else None)
    place = places.pop()
    if place is None or None in places:
        raise InvalidResultError(
            "an entry has the `id` or `sample_index` of no sample of the batch"
        )
    if places:
        raise InvalidResultError("an entry has the id of one sample and the index of another")
    return place


def _check_length(entries: Sequence[object], samples: Sequence[SampleKey]) -> None:
    if len(entries) != len(samples):
        raise InvalidResultError(f"the list has {len(entries)} entries for {len(samples)} samples")
