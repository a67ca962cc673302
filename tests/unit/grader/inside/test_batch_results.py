"""What batch graders may return."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.inside.batch_results import BatchResult, SampleKey, read_batch
from grader.inside.results import InvalidResultError

BATCH = [SampleKey("s0", 10), SampleKey("s1", 11), SampleKey("s2", 12)]


@pytest.mark.parametrize(
    ("returned", "by_place", "metrics"),
    [
        ([1, 0.5, {"f1": 1}], {0: 1, 1: 0.5, 2: {"f1": 1}}, None),
        ([1, None, 0], {0: 1, 2: 0}, None),
        ([None, None, None], {}, None),
        ((1, 2, 3), {0: 1, 1: 2, 2: 3}, None),
        (
            [{"id": "s2", "score": 1}, {"id": "s0", "score": 0}, None],
            {2: {"score": 1}, 0: {"score": 0}},
            None,
        ),
        ([{"id": "s2", "score": 1}, 5, 6], {0: {"id": "s2", "score": 1}, 1: 5, 2: 6}, None),
        ({"samples": [1, 2, 3]}, {0: 1, 1: 2, 2: 3}, None),
        ({"samples": [{"sample_index": 11, "f1": 1}]}, {1: {"f1": 1}}, None),
        ({"samples": [{"id": "s1", "sample_index": 11}]}, {1: {}}, None),
        ({"samples": {"s1": 0.5, "s2": None}}, {1: 0.5}, None),
        ({"samples": []}, {}, None),
        ({"samples": {}, "metrics": {}}, {}, {}),
        ({"samples": None, "metrics": None}, {}, None),
        ({"metrics": {"f1": 0.5, "n": None}}, {}, {"f1": 0.5}),
        ({"samples": {"s1": 1}, "metrics": {"ok": True}}, {1: 1}, {"ok": 1.0}),
        ({"macro_f1": 0.5, "n": 3}, {}, {"macro_f1": 0.5, "n": 3}),
        ({"score": 0.5}, {}, {"score": 0.5}),
        (0.5, {}, {"acc": 0.5}),
        (True, {}, {"acc": 1.0}),
    ],
)
def test_every_shape_of_the_contract_is_read(
    returned: object, by_place: dict[int, object], metrics: dict[str, float] | None
) -> None:
    assert read_batch(returned, BATCH, "acc") == BatchResult(by_place, metrics)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "not None"),
        ("x", "not str"),
        ({}, "an empty object"),
        ([1, 2], "2 entries for 3 samples"),
        ([], "0 entries for 3 samples"),
        ({"samples": [1, 2]}, "2 entries for 3 samples"),
        ({"samples": [{"id": "s9"}]}, "no sample of the batch"),
        ({"samples": [{"sample_index": 0}]}, "no sample of the batch"),
        ({"samples": [{"sample_index": "10"}]}, "no sample of the batch"),
        ({"samples": [{"id": ["s0"]}]}, "no sample of the batch"),
        ({"samples": [{"id": "s0", "sample_index": 11}]}, "the index of another"),
        ({"samples": [{"id": "s0"}, {"sample_index": 10}]}, "sample 10 has two results"),
        ({"samples": {"s9": 1}}, "no sample of the batch has the id 's9'"),
        ({"samples": 5}, "samples must be an object, not int"),
        ({"metrics": [1]}, "metrics must be an object, not list"),
        ({"metrics": {"a": "1"}}, "the score 'a' is str"),
        ({"metrics": {"a": 1}, "note": "x"}, "'note' has no meaning"),
        ({"score": 1, "judge": {}}, "the score 'judge' is dict"),
        ({1: 2}, "a key of the result is int"),
    ],
)
def test_what_is_no_result_of_the_batch_is_refused(returned: object, message: str) -> None:
    with pytest.raises(InvalidResultError, match=message):
        read_batch(returned, BATCH, "acc")


@pytest.mark.parametrize("returned", [math.nan, {"metrics": {"a": math.inf}}, {"a": math.nan}])
def test_metrics_are_finite(returned: object) -> None:
    with pytest.raises(InvalidResultError) as raised:
        read_batch(returned, BATCH, "acc")

    assert raised.value.code == "invalid_score"


ENTRY = (
    st.none()
    | st.floats()
    | st.dictionaries(
        st.sampled_from(["id", "sample_index", "score"]),
        st.sampled_from(["s0", "s1", 10, 11, 1, None, "x"]),
    )
)


@given(
    st.lists(ENTRY, max_size=4)
    | st.dictionaries(
        st.sampled_from(["samples", "metrics", "f1"]),
        st.lists(ENTRY, max_size=4) | st.dictionaries(st.sampled_from(["s0", "x"]), ENTRY) | ENTRY,
    )
)
def test_reading_gives_places_in_the_batch_or_the_one_error(returned: object) -> None:
    try:
        result = read_batch(returned, BATCH, "acc")
    except InvalidResultError:
        return
    assert set(result.by_place) <= {0, 1, 2}
