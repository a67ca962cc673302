"""What graders may return for one sample."""

import enum
import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.inside.results import InvalidResultError, Result, read_result


class Level(enum.IntEnum):
    HIGH = 3


Sub = type("Sub", (float,), {"__float__": lambda _: 99.0, "__repr__": lambda _: "99"})
SubWhole = type("SubWhole", (int,), {"__int__": lambda _: 99, "__index__": lambda _: 99})
SubDict = type("SubDict", (dict,), {"items": lambda _: 1 / 0, "get": lambda *_: 1 / 0})
SubText = type("SubText", (str,), {"__str__": lambda _: "other", "__hash__": str.__hash__})


@pytest.mark.parametrize(
    ("returned", "scores"),
    [
        (0.5, {"acc": 0.5}),
        (1, {"acc": 1}),
        (-2, {"acc": -2}),
        (True, {"acc": 1.0}),
        (False, {"acc": 0.0}),
        (2**53, {"acc": 2**53}),
        (Level.HIGH, {"acc": 3}),
        (Sub(0.25), {"acc": 0.25}),
        (SubWhole(7), {"acc": 7}),
        ({"f1": 0.5, "em": True}, {"f1": 0.5, "em": 1.0}),
        ({"f1": 0.5, "em": None}, {"f1": 0.5}),
        ({}, {}),
        ({"score": 0.5}, {"acc": 0.5}),
        ({"score": None}, {}),
        ({"scores": {"f1": 0.5, "em": None}}, {"f1": 0.5}),
        ({"scores": None, "score": 1}, {"acc": 1}),
        ({"scores": {"f1": 0.5}, "score": 1}, {"f1": 0.5, "acc": 1}),
        ({"scores": {"acc": 0.5}, "score": 1}, {"acc": 1}),
        ({"scores": {"f1": 0.5}, "f1": 0.1, "em": 1}, {"f1": 0.5, "em": 1}),
        ({"judge": {}, "em": True}, {"em": 1.0}),
        (SubDict(f1=Sub(0.5)), {"f1": 0.5}),
        ({SubText("f1"): 0.5}, {"f1": 0.5}),
    ],
)
def test_numbers_become_scores(returned: object, scores: dict[str, float]) -> None:
    result = read_result(returned, "acc")

    assert result == Result(scores)
    assert [type(value) for value in result.scores.values()] == [
        type(value) for value in scores.values()
    ]
    assert all(type(key) is str for key in result.scores)


@pytest.mark.parametrize(
    ("returned", "judge"),
    [
        ({"score": 1, "judge": {"a": [1, (2,)]}}, {"a": [1, [2]]}),
        ({"score": 1, "judge": "because"}, {"reason": "because"}),
        ({"score": 1, "reason": "because"}, {"reason": "because"}),
        ({"judge": {"reason": "old", "x": 1}, "reason": "new"}, {"reason": "new", "x": 1}),
        ({"judge": None, "reason": None, "metadata": None}, None),
        ({"score": 1, "metadata": {"k": 1}}, {"metadata": {"k": 1}}),
        ({"score": 1, "verdict": "good", "notes": None}, {"verdict": "good", "notes": None}),
        ({"judge": {"verdict": "judge"}, "verdict": "other"}, {"verdict": "judge"}),
        ({"score": 1, "judge": {}}, None),
        ({"score": 1, "judge": {1: "a"}}, {"1": "a"}),
    ],
)
def test_details_are_gathered_in_the_judge(returned: object, judge: object) -> None:
    assert read_result(returned, "acc").judge == judge


@pytest.mark.parametrize(
    ("returned", "replacement"),
    [
        ({"score": 1}, None),
        ({"score": 1, "extracted_output": "B"}, ("B",)),
        ({"score": 1, "extracted_output": None}, (None,)),
        ({"extracted_output": ""}, ("",)),
    ],
)
def test_the_extraction_can_be_replaced(
    returned: object, replacement: tuple[str | None] | None
) -> None:
    assert read_result(returned, "acc").replacement == replacement


@pytest.mark.parametrize(
    ("error", "failure", "judge"),
    [
        ("no verdict", "no verdict", None),
        (
            {"message": "no verdict", "code": "x"},
            "no verdict",
            {"error": {"message": "no verdict", "code": "x"}},
        ),
        ({"code": "x"}, "the grader reported an error", {"error": {"code": "x"}}),
        ("x" * 5_000, "x" * 1_000, None),
        ("a\0b", "a\\x00b", None),
        (None, None, None),
        ("", None, None),
        ({}, None, None),
    ],
)
def test_an_error_that_the_grader_reports_is_a_failure(
    error: object, failure: str | None, judge: object
) -> None:
    result = read_result({"score": 1, "error": error}, "acc")

    assert (result.failure, result.judge) == (failure, judge)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "not None"),
        ("1.0", "not str"),
        ([1], "not list"),
        ((1, 2), "not tuple"),
        (object(), "not object"),
        (1j, "not complex"),
        ({"acc": "1.0"}, "the score 'acc' is str"),
        ({"acc": [1]}, "the score 'acc' is list"),
        ({1: 1.0}, "a key of the result is int"),
        ({"": 1}, "1 to 128 characters, not 0"),
        ({"k" * 129: 1}, "1 to 128 characters, not 129"),
        ({"\ud800": 1}, "not valid Unicode"),
        ({"score": "1"}, "the score 'acc' is str"),
        ({"scores": [1]}, "scores must be an object, not list"),
        ({"scores": {"a": "1"}}, "the score 'a' is str"),
        ({"judge": 5}, "judge must be an object, not int"),
        ({"judge": [1]}, "judge must be an object, not list"),
        ({"judge": {"a": {1, 2}}}, "set is not JSON serializable"),
        ({"judge": {"a": math.nan}}, "not JSON compliant"),
        ({"judge": {"a": "\ud800"}}, "not valid Unicode"),
        ({"judge": {"a": "x" * 600_000}}, "bytes as JSON"),
        ({"score": 1, "a": "x" * 300_000, "b": "x" * 300_000}, "'judge' has"),
        ({"reason": 5}, "reason must be text or None, not int"),
        ({"metadata": "x"}, "metadata must be an object, not str"),
        ({"extracted_output": 5}, "extracted_output must be text or None, not int"),
        ({"extracted_output": "x" * 300_000}, "bytes as JSON"),
        ({"error": 5}, "error must be an object, not int"),
        ({"score": 1, "other": object()}, "object is not JSON serializable"),
        ({str(number): 1 for number in range(1_001)}, "1001 scores"),
    ],
)
def test_what_is_no_result_is_refused_with_its_reason(returned: object, message: str) -> None:
    with pytest.raises(InvalidResultError, match=message) as raised:
        read_result(returned, "acc")

    assert raised.value.code == "invalid_grader_result"


@pytest.mark.parametrize(
    "returned",
    [
        math.nan,
        math.inf,
        -math.inf,
        2**53 + 1,
        pytest.param(-(10**5_000), id="huge"),
        {"f1": math.nan},
        {"score": math.inf},
        {"scores": {"f1": math.nan}},
        {"judge": {}, "f1": math.nan},
    ],
)
def test_a_number_that_is_no_score_is_refused_as_such(returned: object) -> None:
    with pytest.raises(InvalidResultError) as raised:
        read_result(returned, "acc")

    assert raised.value.code == "invalid_score"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.binary(max_size=5)
    | st.builds(object),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner)
        | st.dictionaries(
            st.sampled_from(
                [
                    "score",
                    "scores",
                    "judge",
                    "reason",
                    "extracted_output",
                    "error",
                    "metadata",
                    "f1",
                    1,
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(VALUES)
def test_reading_gives_finite_scores_or_the_one_error(returned: object) -> None:
    result = Result({})

    with suppress(InvalidResultError):
        result = read_result(returned, "acc")

    assert all(math.isfinite(score) for score in result.scores.values())
