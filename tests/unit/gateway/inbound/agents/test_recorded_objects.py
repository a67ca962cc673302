from gateway.inbound.resources.runs import run_object
from gateway.inbound.resources.samples import sample_object
from gateway.inbound.resources.trajectories import document_around
from proctor.runs.v1 import run_pb2, sample_pb2, trajectory_service_pb2

COMPLETED = sample_pb2.SAMPLE_STATE_COMPLETED


def run(**fields: object) -> run_pb2.Run:
    return run_pb2.Run(state=run_pb2.RUN_STATE_IN_PROGRESS, **fields)  # type: ignore[arg-type]


def test_a_run_of_an_agent_shows_who_did_it_and_what_it_cost() -> None:
    origin = run_pb2.RUN_ORIGIN_AGENT
    shown = run_object(run(origin=origin, agent_name="omp", agent_effort="high", cost_usd=0.0), {})

    assert (shown.origin, shown.agent_name, shown.agent_version) == ("agent", "omp", None)
    assert (shown.agent_effort, shown.cost_usd) == ("high", 0.0)


def test_a_run_of_an_orchestrator_that_knows_no_origins_was_executed() -> None:
    shown = run_object(run(), {})

    assert (shown.origin, shown.agent_name, shown.cost_usd) == ("executed", None, None)


def test_a_recorded_error_is_shown_as_it_is_and_not_as_what_was_made_of_it() -> None:
    failure = run_pb2.Failure(code="trial_error", message="")
    sample = sample_pb2.Sample(state=COMPLETED, error=failure)
    assert sample_object(sample).error == {"code": "trial_error", "message": ""}

    sample.recorded_error_json = b'{"type":"Timeout"}'

    assert sample_object(sample).error == {"type": "Timeout"}


def test_recorded_phases_are_shown_instead_of_the_model_call() -> None:
    sample = sample_pb2.Sample(state=COMPLETED, phase_timings_json=b'{"verifier":{}}')
    sample.generation_start_time.FromSeconds(1)

    assert sample_object(sample).phase_timings == {"verifier": {}}


def test_a_trajectory_without_logs_says_so() -> None:
    ref = trajectory_service_pb2.SampleRef(run_id='eval_run_"', task_id="t", model="m")
    bare = trajectory_service_pb2.Trajectory(sample=ref, step_count=1, steps_bytes=3)
    logged = trajectory_service_pb2.Trajectory(sample=ref, steps_bytes=3, logs_bytes=2)

    before, between, behind = document_around(bare)
    assert before.endswith(b'"schema_version":"","steps":')
    assert (between, behind) == (b',"logs":', b"null}")
    assert document_around(logged)[2] == b"}"
