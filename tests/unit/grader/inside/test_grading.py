"""Samples graded by programs of our own making."""

import json
import textwrap
from collections.abc import Iterable, Iterator

import pytest

from grader.inside.grading import grade_all, grade_one
from grader.inside.jobs import (
    AggregateEnd,
    Extraction,
    Graded,
    GradeJob,
    Grader,
    JsonObject,
    Sample,
)


def refuse(method: str, body: JsonObject) -> JsonObject:
    raise AssertionError((method, body))


def sample(index: int = 0, output_text: str | None = "4", target: str | None = "4") -> Sample:
    return {
        "id": f"s{index}",
        "sample_index": index,
        "row": {"a": index},
        "prompt": "2+2",
        "target": target,
        "output_text": output_text,
    }


def job(
    source: str, grader: Grader | None = None, extraction: Extraction | None = None
) -> GradeJob:
    return {
        "source": textwrap.dedent(source),
        "grader": grader or {},
        "extraction": extraction,
        "run": {"run_id": "run", "task_id": "task", "model": "m"},
    }


def graded(
    source: str,
    grader: Grader | None = None,
    extraction: Extraction | None = None,
    output_text: str | None = "4",
) -> Graded:
    one: GradeJob = {**job(source, grader, extraction), "sample": sample(output_text=output_text)}
    result = grade_one(one, refuse)
    json.dumps(result, allow_nan=False).encode()
    return result


def all_graded(
    source: str, samples: Iterable[Sample], grader: Grader | None = None
) -> tuple[list[Graded], AggregateEnd]:
    *results, end = grade_all(job(source, grader), samples, refuse)
    samples_graded = [result for result in results if "outcome" in result]
    assert len(samples_graded) == len(results)
    assert "metrics" in end
    return samples_graded, end


EXACT = "def grade(sample, item): return sample['extracted_output'] == item['target']"


def test_a_right_answer_scores_one() -> None:
    assert graded(EXACT) == {
        "outcome": "scored",
        "extracted_output": "4",
        "scores": {"score": 1.0},
        "judge": None,
        "error": None,
    }


def test_a_wrong_answer_scores_zero_under_the_metric_of_the_manifest() -> None:
    result = graded(EXACT, {"metric_id": "exact"}, output_text="5")

    assert result["scores"] == {"exact": 0.0}


def test_the_answer_is_extracted_before_it_is_graded() -> None:
    result = graded(EXACT, extraction={"type": "number"}, output_text="It is 4.")

    assert (result["extracted_output"], result["scores"]) == ("4", {"score": 1.0})


def test_nothing_extracted_is_graded_as_none() -> None:
    source = "def grade(sample, item): return {'score': 0, 'seen': str(sample['extracted_output'])}"

    result = graded(source, extraction={"type": "number"}, output_text="no idea")

    assert (result["outcome"], result["judge"]) == ("scored", {"seen": "None"})


def test_the_grader_may_replace_what_was_extracted() -> None:
    result = graded("def grade(s, i): return {'score': 1, 'extracted_output': None}")

    assert (result["extracted_output"], result["outcome"]) == (None, "scored")


def test_a_pattern_without_end_fails_the_sample_at_extraction() -> None:
    extraction: Extraction = {"type": "regex", "pattern": "(a+)+$"}

    result = graded(EXACT, extraction=extraction, output_text="a" * 60 + "b")

    assert result["outcome"] == "timeout"
    assert result["error"] == {
        "code": "regex_timeout",
        "message": "the extraction took more than 1 s",
        "stage": "extract",
        "traceback": "",
    }


def test_a_pattern_that_does_not_compile_fails_the_sample_at_extraction() -> None:
    result = graded(EXACT, extraction={"type": "regex", "pattern": "("})

    assert result["error"] is not None
    assert (result["error"]["code"], result["error"]["stage"]) == ("bad_regex", "extract")


def test_an_exception_is_told_with_the_program_s_own_traceback() -> None:
    result = graded("def grade(sample, item):\n    return 1 / 0\n")

    assert result["outcome"] == "grader_error"
    assert result["error"] == {
        "code": "grader_error",
        "message": "ZeroDivisionError: division by zero",
        "stage": "score",
        "traceback": (
            "Traceback (most recent call last):\n"
            '  File "grader.py", line 2, in grade\n'
            "    return 1 / 0\n"
            "ZeroDivisionError: division by zero"
        ),
    }
    assert (result["scores"], result["extracted_output"]) == ({}, "4")


HOSTILE_RESULT = """
class D(dict):
    def __iter__(self): raise ValueError
    __len__ = keys = items = __iter__

def grade(sample, item):
    return D(judge=D(a=1))
"""

HOSTILE_EXCEPTION = """
class E(BaseException):
    def __getattribute__(self, name): raise ValueError
    def __setattr__(self, name, value): raise ValueError
    def __str__(self): raise ValueError

def grade(sample, item):
    raise E
"""

HOSTILE_MEMORY_ERROR = HOSTILE_EXCEPTION.replace("BaseException", "MemoryError")


@pytest.mark.parametrize(
    ("source", "outcome", "code"),
    [
        ("raise ValueError('at import')", "grader_error", "grader_error"),
        ("def grade(:", "grader_error", "grader_error"),
        ("x = 1", "grader_error", "grader_error"),
        ("grade = 5", "grader_error", "grader_error"),
        ("def grade(sample): return 1", "grader_error", "grader_error"),
        ("def grade(s, i): raise SystemExit(0)", "grader_error", "grader_error"),
        ("def grade(s, i): raise KeyboardInterrupt", "grader_error", "grader_error"),
        ("def grade(s, i): return {'error': 'no'}", "grader_error", "grader_error"),
        ("def grade(s, i): raise MemoryError", "out_of_memory", "grader_oom"),
        ("def grade(s, i): return None", "invalid_result", "invalid_grader_result"),
        ("def grade(s, i): return '1'", "invalid_result", "invalid_grader_result"),
        ("def grade(s, i): yield 1", "invalid_result", "invalid_grader_result"),
        ("def grade(s, i): return float('nan')", "invalid_result", "invalid_score"),
        ("def grade(s, i): return 10 ** 400", "invalid_result", "invalid_score"),
        ("async def grade(s, i): raise ValueError", "grader_error", "grader_error"),
        (HOSTILE_RESULT, "invalid_result", "invalid_grader_result"),
        (HOSTILE_EXCEPTION, "grader_error", "grader_error"),
        (HOSTILE_MEMORY_ERROR, "out_of_memory", "grader_oom"),
    ],
)
def test_whatever_a_grader_does_ends_in_an_outcome(source: str, outcome: str, code: str) -> None:
    result = graded(source)

    assert (result["outcome"], result["scores"]) == (outcome, {})
    assert result["error"] is not None
    assert result["error"]["code"] == code


def test_an_error_that_the_grader_reports_keeps_its_details() -> None:
    source = "def grade(s, i): return {'error': 'no verdict', 'judge': {'raw': '?'}, 'score': 1}"

    result = graded(source)

    assert (result["outcome"], result["scores"], result["judge"]) == (
        "grader_error",
        {},
        {"raw": "?"},
    )
    assert result["error"] is not None
    assert result["error"]["message"] == "no verdict"


def test_ctx_reaches_the_model_and_the_reply_comes_back() -> None:
    calls: list[tuple[str, JsonObject]] = []

    def answer(method: str, body: JsonObject) -> JsonObject:
        calls.append((method, body))
        return {"id": "resp", "output_text": "0.75"}

    source = """
        def grade(sample, item, ctx):
            reply = ctx.responses_create(model="judge", input=sample["output_text"])
            return {"score": float(reply["output_text"]), "calls": str(ctx.model_calls_used)}
    """
    one: GradeJob = {**job(source, {"model_access": "mka1"}), "sample": sample()}

    result = grade_one(one, answer)

    assert calls == [("responses_create", {"model": "judge", "input": "4"})]
    assert (result["scores"], result["judge"]) == ({"score": 0.75}, {"calls": "1"})


def test_calls_over_the_budget_fail_the_sample_unless_they_are_caught() -> None:
    grader: Grader = {"model_access": "mka1", "max_model_calls": 0}

    result = graded("def grade(s, i, ctx): return ctx.responses_create(model='x')", grader)

    assert result["error"] is not None
    assert result["error"]["message"] == "RuntimeError: max_model_calls exceeded"


def test_a_model_that_the_run_does_not_set_has_its_own_code() -> None:
    source = "def grade(s, i, ctx): return ctx.embeddings_create(input='x')"

    result = graded(source, {"model_access": "mka1"})

    assert result["error"] is not None
    assert result["error"]["code"] == "embedding_model_required"
    assert 'File "grader.py", line 1, in grade' in result["error"]["traceback"]


def test_a_batch_grader_can_be_called_per_sample() -> None:
    source = "def grade_batch(samples): return [len(samples) * samples[0]['item']['a'] + 1]"
    grader: Grader = {"contract": "batch", "execution": "per_sample"}

    assert graded(source, grader)["scores"] == {"score": 1}


def test_metrics_of_a_batch_of_one_are_its_scores() -> None:
    source = (
        "def grade_batch(samples): return {'samples': [{'id': 's0', 'f1': 1}], 'metrics': {'m': 2}}"
    )

    assert graded(source, {"contract": "batch"})["scores"] == {"m": 2, "f1": 1}


@pytest.mark.parametrize(
    ("grader", "called"),
    [
        ({}, 1),
        ({"contract": "sample", "execution": "aggregate"}, 1),
        ({"contract": "batch"}, 2),
        ({"contract": "model_backed"}, 1),
        ({"contract": "model_backed", "execution": "per_sample"}, 1),
        ({"contract": "model_backed", "execution": "aggregate"}, 2),
    ],
)
def test_contract_and_execution_choose_the_function(grader: Grader, called: int) -> None:
    source = "def grade(s, i): return 1\ndef grade_batch(samples): return [2]"

    assert graded(source, grader)["scores"] == {"score": called}


def test_the_job_may_name_the_function() -> None:
    source = "def grade(s, i): return 1\ndef grade_batch(samples): return [2]"
    one: GradeJob = {**job(source), "entry": "grade_batch", "sample": sample()}

    assert grade_one(one, refuse)["scores"] == {"score": 2}


def test_an_aggregate_execution_scores_all_samples_at_once() -> None:
    source = """
        def grade_batch(samples):
            return {
                "samples": [s["extracted_output"] == s["item"]["target"] for s in samples],
                "metrics": {"n": len(samples)},
            }
    """

    results, end = all_graded(source, [sample(0), sample(1, "5")], {"contract": "batch"})

    assert [(result["sample_id"], result["scores"]) for result in results] == [
        ("s0", {"score": 1.0}),
        ("s1", {"score": 0.0}),
    ]
    assert end == {"metrics": {"n": 2}, "error": None}


def test_samples_that_a_batch_leaves_out_have_no_scores() -> None:
    source = "def grade_batch(samples): return {'samples': {'s1': {'score': 1, 'judge': 'ok'}}}"

    results, _ = all_graded(source, [sample(0), sample(1)], {"contract": "batch"})

    assert [(r["outcome"], r["scores"], r["judge"]) for r in results] == [
        ("scored", {}, None),
        ("scored", {"score": 1}, {"reason": "ok"}),
    ]


def test_one_wrong_entry_of_a_batch_fails_its_sample_only() -> None:
    source = "def grade_batch(samples): return [1, 'x', float('nan'), {'error': 'no'}]"

    results, end = all_graded(source, [sample(i) for i in range(4)], {"contract": "batch"})

    assert [(r["outcome"], r["error"]["code"] if r["error"] else "") for r in results] == [
        ("scored", ""),
        ("invalid_result", "invalid_grader_result"),
        ("invalid_result", "invalid_score"),
        ("grader_error", "grader_error"),
    ]
    assert end == {"metrics": None, "error": None}


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("def grade_batch(samples): raise ValueError", "grader_error"),
        ("def grade_batch(samples): return None", "invalid_grader_result"),
        ("def grade_batch(samples): return [1]", "invalid_grader_result"),
        ("def grade_batch(samples): return {'metrics': {'a': float('nan')}}", "invalid_score"),
        ("def grade_batch(samples): raise MemoryError", "grader_oom"),
        ("raise ValueError", "grader_error"),
    ],
)
def test_a_batch_that_fails_fails_all_its_samples(source: str, code: str) -> None:
    results, end = all_graded(source, [sample(0), sample(1)], {"contract": "batch"})

    assert [result["sample_id"] for result in results] == ["s0", "s1"]
    assert [result["error"] and result["error"]["code"] for result in results] == [code, code]
    assert end["metrics"] is None
    assert end["error"] == results[0]["error"]


def test_samples_whose_extraction_fails_do_not_reach_a_batch() -> None:
    source = "def grade_batch(samples): return [s['sample_index'] for s in samples]"
    batch: GradeJob = {
        **job(source, {"contract": "batch"}),
        "extraction": {"type": "regex", "pattern": "(a+)+$"},
    }

    results = list(grade_all(batch, [sample(7, "a" * 60 + "b"), sample(8, "aa")], refuse))

    assert [(r.get("sample_id"), r.get("outcome"), r.get("scores")) for r in results] == [
        ("s7", "timeout", {}),
        ("s8", "scored", {"score": 8}),
        (None, None, None),
    ]


def test_a_sample_grader_in_an_aggregate_execution_keeps_its_globals() -> None:
    source = """
        seen = []
        def grade(sample, item):
            seen.append(sample["id"])
            return {"score": len(seen)}
    """

    results, end = all_graded(source, [sample(0), sample(1)], {"execution": "aggregate"})

    assert [result["scores"] for result in results] == [{"score": 1}, {"score": 2}]
    assert end == {"metrics": None, "error": None}


def test_a_sample_grader_in_an_aggregate_execution_grades_samples_as_they_come() -> None:
    taken: list[int] = []

    def samples() -> Iterator[Sample]:
        for index in range(3):
            taken.append(index)
            yield sample(index)

    results = grade_all(job(EXACT, {"execution": "aggregate"}), samples(), refuse)
    next(results)

    assert taken == [0]


def test_an_exception_in_one_call_of_an_aggregate_execution_fails_that_sample_only() -> None:
    source = "def grade(sample, item): return 1 // sample['sample_index']"

    results, end = all_graded(source, [sample(0), sample(1)], {"execution": "aggregate"})

    assert [result["outcome"] for result in results] == ["grader_error", "scored"]
    assert end["error"] is None


def test_an_aggregate_execution_without_samples_calls_nothing() -> None:
    source = "def grade_batch(samples): raise ValueError"

    assert all_graded(source, [], {"contract": "batch"}) == ([], {"metrics": None, "error": None})


def test_an_async_batch_grader_works() -> None:
    source = "async def grade_batch(samples, ctx): return {'n': len(samples)}"

    _, end = all_graded(source, [sample(0)], {"contract": "batch"})

    assert end["metrics"] == {"n": 1}


def test_a_hostile_program_cannot_make_it_raise_by_what_it_reports() -> None:
    source = """
        from grader.inside.timelimit import TimeLimitExceeded
        def grade(sample, item): raise TimeLimitExceeded
    """

    assert graded(source)["outcome"] == "grader_error"
