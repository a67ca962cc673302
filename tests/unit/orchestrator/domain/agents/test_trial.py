from dataclasses import replace

from orchestrator.domain.agents.trial import TRIALS_MAX, Trial, trial_problems
from orchestrator.domain.sample import SampleState
from orchestrator.domain.tokens import NO_TOKENS

TRIAL = Trial(
    task_id="fix",
    sample_index=0,
    state=SampleState.COMPLETED,
    prompt="",
    target=None,
    output_text=None,
    scores={"reward": 1.0},
    error_json=b"",
    cost_usd=None,
    tokens=NO_TOKENS,
    phase_timings_json=b"",
)


def test_trials_of_known_tasks_in_places_of_their_own_are_fine() -> None:
    trials = [TRIAL, replace(TRIAL, sample_index=1), replace(TRIAL, task_id="write")]

    assert list(trial_problems(trials, ["fix", "write"])) == []


def test_every_trial_of_an_unknown_task_is_told_with_its_place() -> None:
    trials = [TRIAL, replace(TRIAL, task_id="typo"), replace(TRIAL, task_id="other")]

    found = list(trial_problems(trials, ["fix"]))

    assert [problem.path for problem in found] == ["trials[1].task_id", "trials[2].task_id"]
    assert {problem.reason for problem in found} == {"UNKNOWN_TASK_IDS"}


def test_the_later_of_two_trials_in_one_place_is_told() -> None:
    (found,) = trial_problems([TRIAL, replace(TRIAL, prompt="again")], ["fix"])

    assert (found.path, found.reason) == ("trials[1].sample_index", "DUPLICATE_TRIAL")
    assert "trials[0]" in found.message


def test_a_thousand_wrong_trials_are_not_told_one_by_one() -> None:
    trials = [replace(TRIAL, task_id="typo", sample_index=n) for n in range(TRIALS_MAX)]

    assert len(list(trial_problems(trials, ["fix"]))) == 50
    (found,) = trial_problems([*trials, TRIAL], ["fix"])
    assert (found.path, found.reason) == ("trials", "TOO_MANY_TRIALS")
