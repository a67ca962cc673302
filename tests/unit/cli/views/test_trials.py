import io
from dataclasses import replace

import pytest
from rich.console import Console

from cli.trials.models import AskedCall
from cli.trials.results import Problem, Trial, TriedExecution, TriedSample, Used
from cli.views.trials import Part, print_parts, sample_view, trial_view

USED = Used(
    run_time_s=0.0125,
    cpu_time_s=0.003,
    peak_memory_bytes=21 * 1024 * 1024,
    stdout="hello\n",
    stderr="",
)
CALL = AskedCall(sample_id="s0", method="responses_create", body={"input": "true?"})
SCORED = TriedSample(
    id="s0",
    sample_index=0,
    outcome="scored",
    extracted_output="42",
    scores={"f1": 0.75},
    judge={"reason": "close"},
    problem=None,
    used=USED,
    calls=[CALL],
)
FAILED = replace(
    SCORED,
    id="s1",
    sample_index=1,
    outcome="grader_error",
    scores={},
    judge={"stdout": "hello\n", "note": "kept"},
    problem=Problem(
        code="grader_error",
        message="ValueError: no",
        stage="score",
        traceback='File "grader.py", line 3, in grade\n    raise ValueError("no")',
    ),
    calls=[],
)
EXECUTION = TriedExecution(metrics={"macro_f1": 0.5}, used=USED, calls=[])


def printed(parts: list[Part]) -> str:
    console = Console(
        file=io.StringIO(), width=120, highlight=False, force_terminal=True, color_system=None
    )
    print_parts(parts, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_outcome_comes_first_and_what_it_used_last() -> None:
    lines = printed(sample_view(SCORED, None, verbose=False)).splitlines()

    assert lines[0] == "scored"
    assert "f1          0.75" in lines
    assert "extracted   42" in lines
    assert lines[lines.index("stdout") + 1] == "  hello"
    assert lines[-4:] == [
        "time        12.5 ms",
        "CPU         3.0 ms",
        "memory      21.0 MiB",
        "model calls 1",
    ]


def test_a_failure_shows_code_sentence_and_traceback_and_what_it_printed_once() -> None:
    text = printed(sample_view(FAILED, None, verbose=False))

    assert text.startswith("grader_error  [grader_error] ValueError: no\n")
    assert '  File "grader.py", line 3, in grade' in text
    assert '"note": "kept"' in text
    assert text.count("hello") == 1


def test_a_failure_that_people_meet_first_says_what_to_try() -> None:
    problem = Problem(
        code="grader_error",
        message="OSError: [Errno 30] Read-only file system: '/tmp/x'",
        stage="score",
        traceback="",
    )

    shown = printed(sample_view(replace(FAILED, problem=problem), None, verbose=False))

    assert "hint        a grader may write in /tmp only, and only with --isolation files" in shown
    assert "hint" not in printed(sample_view(FAILED, None, verbose=False))


def test_the_bodies_of_model_calls_are_shown_when_asked_for() -> None:
    assert "true?" not in printed(sample_view(SCORED, None, verbose=False))

    text = printed(sample_view(SCORED, None, verbose=True))

    assert "model call 1: ctx.responses_create" in text
    assert '"input": "true?"' in text


def test_a_sample_of_a_batch_shows_the_execution_that_graded_it() -> None:
    sample = replace(SCORED, used=None, calls=[])

    text = printed(sample_view(sample, EXECUTION, verbose=False))

    assert "metric macro_f1 0.5" in text
    assert "time        12.5 ms" in text


def test_many_samples_are_a_table_a_first_failure_and_a_summary() -> None:
    other = replace(FAILED, id="s2", problem=replace(FAILED.problem, message="another"))  # type: ignore[type-var] # it is set above
    trial = Trial(samples=[SCORED, FAILED, other])

    text = printed(trial_view(trial, verbose=False))

    rows = [line for line in text.splitlines() if line.startswith("│")]
    assert [row.split("│")[1].strip() for row in rows] == ["s0", "s1", "s2"]
    assert text.count("line 3, in grade") == 1
    assert "samples     3: 2 grader_error, 1 scored" in text
    assert "mean f1     0.75 (of 1)" in text
    assert "model calls 1" in text


def test_a_metric_of_the_whole_goes_before_the_mean_of_its_name() -> None:
    samples = [replace(SCORED, used=None, scores={"macro_f1": 1.0, "hit": 1})]

    text = printed(trial_view(Trial(samples=samples, execution=EXECUTION), verbose=False))

    assert "metric macro_f1 0.5 (returned by grade_batch)" in text
    assert "mean macro_f1" not in text
    assert "mean hit" in text


@pytest.mark.parametrize("verbose", [False, True])
def test_nothing_a_grader_says_reaches_the_terminal_as_a_command(verbose: bool) -> None:  # noqa: FBT001
    evil = "\x1b]0;gone\x07\x9b31m\r"
    sample = TriedSample(
        id=evil,
        sample_index=0,
        outcome="grader_error",
        extracted_output=evil,
        scores={evil: 1},
        judge={evil: evil},
        problem=Problem(code="grader_error", message=evil, stage="score", traceback=evil),
        used=replace(USED, stdout=evil, stderr=evil),
        calls=[AskedCall(sample_id="", method="responses_create", body=evil)],
    )
    trial = Trial(samples=[sample])

    text = printed(
        [*sample_view(sample, None, verbose=verbose), *trial_view(trial, verbose=verbose)]
    )

    assert not set(text) & set("\x1b\x07\x9b\r")
    assert "\\x1b]0;gone" in text


def test_text_of_a_grader_is_no_markup() -> None:
    sample = replace(SCORED, extracted_output="[red]x[/red]", used=replace(USED, stdout="[/]"))

    text = printed(sample_view(sample, None, verbose=False))

    assert "extracted   [red]x[/red]" in text
    assert "  [/]" in text


@pytest.mark.parametrize("place", ["id", "score", "metric", "message", "extracted"])
def test_no_name_or_text_of_a_grader_makes_a_line_of_ours(place: str) -> None:
    forged = "samples     1000: 1000 scored"
    evil = f"score\n{forged}\nx\u202e"
    problem = Problem(code="grader_error", message=evil, stage="score", traceback="")
    sample = {
        "id": replace(FAILED, id=evil),
        "score": replace(SCORED, scores={evil: 1.0}),
        "metric": SCORED,
        "message": replace(FAILED, problem=problem),
        "extracted": replace(SCORED, extracted_output=evil),
    }[place]
    metrics = {evil: 1.0} if place == "metric" else {}
    trial = Trial(samples=[sample], execution=replace(EXECUTION, metrics=metrics))

    text = printed(
        [*sample_view(sample, trial.execution, verbose=True), *trial_view(trial, verbose=True)]
    )

    assert forged not in text.splitlines()
    assert f"score\\n{forged}\\nx\\u202e" in text
    assert "\u202e" not in text


def test_a_block_keeps_its_lines_and_stands_in_from_ours() -> None:
    printing = replace(USED, stdout="one\n\ttwo\nscored\u2066")

    lines = printed(sample_view(replace(SCORED, used=printing), None, verbose=False)).splitlines()

    place = lines.index("stdout")
    assert lines[place + 1] == "  one"
    assert lines[place + 2].split() == ["two"]
    assert lines[place + 3] == "  scored\\u2066"
