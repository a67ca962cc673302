import json

import pytest
from google.protobuf.duration_pb2 import Duration

from cli.trials.results import Trial, tried_execution, tried_sample
from proctor.sandbox.v1 import sandbox_service_pb2 as pb


def test_a_scored_sample_is_one_object_with_what_its_execution_used() -> None:
    outcome = pb.SampleOutcome(
        sample_id="s",
        outcome=pb.OUTCOME_SCORED,
        extracted_output="42",
        scores_json=b'{"score":1.0}',
        judge_json=b'{"reason":"right"}',
        run_time=Duration(seconds=1, nanos=500_000_000),
        cpu_time=Duration(nanos=2_000_000),
        peak_memory_bytes=1024,
        stdout="out",
        stderr="err",
    )

    said = tried_sample(outcome, sample_index=3, calls=[]).as_json()

    assert json.loads(json.dumps(said)) == {
        "object": "trial.sample",
        "id": "s",
        "sample_index": 3,
        "outcome": "scored",
        "extracted_output": "42",
        "scores": {"score": 1.0},
        "judge": {"reason": "right"},
        "error": None,
        "run_time_s": 1.5,
        "cpu_time_s": 0.002,
        "peak_memory_bytes": 1024,
        "stdout": "out",
        "stderr": "err",
        "model_calls": [],
    }


def test_a_sample_that_shared_an_execution_says_nothing_of_what_it_used() -> None:
    outcome = pb.SampleOutcome(
        sample_id="s",
        outcome=pb.OUTCOME_TIMEOUT,
        error_code="grader_timeout",
        error_message="too slow",
        error_stage="score",
        run_time=Duration(seconds=1),
    )

    sample = tried_sample(outcome, sample_index=0, calls=[])

    assert sample.used is None
    assert sample.as_json()["run_time_s"] is None
    assert sample.as_json()["error"] == {
        "code": "grader_timeout",
        "message": "too slow",
        "stage": "score",
        "traceback": None,
    }


def test_what_a_lost_jail_used_is_not_known() -> None:
    outcome = pb.SampleOutcome(sample_id="s", outcome=pb.OUTCOME_JAIL_LOST)
    execution = pb.AggregateExecution(run_time=Duration(seconds=1))

    sample = tried_sample(outcome, sample_index=0, calls=[])
    whole = tried_execution(execution, b"", [])

    assert sample.used is not None
    assert (sample.used.cpu_time_s, sample.used.peak_memory_bytes) == (None, None)
    assert (whole.metrics, whole.used.cpu_time_s) == ({}, None)


def test_means_are_over_the_samples_that_carry_the_score() -> None:
    scores = (b'{"a":1,"b":1}', b'{"a":0}', b"")
    samples = [
        tried_sample(
            pb.SampleOutcome(
                outcome=pb.OUTCOME_SCORED if json_ else pb.OUTCOME_CRASHED, scores_json=json_
            ),
            sample_index=place,
            calls=[],
        )
        for place, json_ in enumerate(scores)
    ]
    trial = Trial(samples=samples)

    assert trial.means() == {"a": (pytest.approx(0.5), 2), "b": (1.0, 1)}
    assert not trial.all_scored
