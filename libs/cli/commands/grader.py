"""`proctor grader`: write graders, without a stack."""

import asyncio
import os
import signal
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.errors import NothingGraded
from cli.running import run_to_end
from cli.session import Session, session_of
from cli.trials.models import Answers, read_vectors
from cli.trials.program import Choices, TrialProgram, trial_program
from cli.trials.results import Trial
from cli.trials.samples import GivenSample, many_samples, numbered, single_sample
from cli.trials.trying import tried
from cli.views.trials import print_parts, sample_view, trial_view
from localstack.errors import LocalStackError
from servicekit.logs import configure_logs

app = typer.Typer(
    name="grader",
    no_args_is_help=True,
    help="Try graders in a real jail; needs no running stack.",
    epilog='Example: proctor grader test grader.py --output "42" --target 42',
)


class Contract(StrEnum):
    """Which function a grader has to define."""

    SAMPLE = "sample"
    BATCH = "batch"
    MODEL_BACKED = "model_backed"


class Execution(StrEnum):
    """Whether each sample has a process of its own."""

    PER_SAMPLE = "per_sample"
    AGGREGATE = "aggregate"


class Isolation(StrEnum):
    """What an execution starts from."""

    FRESH = "fresh"
    PRELOAD = "preload"
    FILES = "files"


_WHAT, _HOW, _MODELS = "What to grade", "The grader's settings, as in a manifest", "Model calls"
_FROM = "JSON, @file or - (standard input)"


def _option(panel: str, *, help: str, metavar: str | None = None) -> Any:  # noqa: A002 - typer's word
    return typer.Option(rich_help_panel=panel, metavar=metavar, help=help)


File = Annotated[
    Path | None, typer.Argument(metavar="FILE", help="The program; default: --manifest's.")
]
OneSample = Annotated[
    str | None,
    _option(
        _WHAT,
        metavar="JSON",
        help=f"One sample: {_FROM}. Keys, all optional: row, output_text, target, prompt, choices, "
        "response_id, usage, id, sample_index, run_id, task_id, model.",
    ),
]
Samples = Annotated[
    Path | None,
    _option(
        _WHAT,
        help="Many: a file with such an object a line, or -; also the lines of "
        "`proctor samples RUN --json`.",
    ),
]
Output = Annotated[str | None, _option(_WHAT, help="Short for output_text, the model's text.")]
Target = Annotated[str | None, _option(_WHAT, help="Short for target.")]
Row = Annotated[str | None, _option(_WHAT, metavar="JSON", help=f"Short for row: {_FROM}.")]
GraderContract = Annotated[Contract | None, _option(_HOW, help="Default: sample.")]
GraderExecution = Annotated[Execution | None, _option(_HOW, help="Default: by the contract.")]
GraderIsolation = Annotated[Isolation | None, _option(_HOW, help="Default: fresh.")]
Timeout = Annotated[int | None, _option(_HOW, help="Seconds, 1 to 600; default: 120.")]
MaxModelCalls = Annotated[int | None, _option(_HOW, help="0 to 500; default: 64.")]
MetricId = Annotated[str | None, _option(_HOW, help="Name of a bare number; default: score.")]
Extraction = Annotated[
    str | None, _option(_HOW, metavar="JSON", help=f"The task's output_extraction: {_FROM}.")
]
ManifestFile = Annotated[
    Path | None,
    _option(
        _HOW,
        help="Take all this from a manifest or suite file; options go before it. Its templates "
        "make what a sample leaves out of target, prompt and choices.",
    ),
]
TaskId = Annotated[str | None, _option(_HOW, help="Which task of the manifest.")]
JudgeOutput = Annotated[
    str | None, _option(_MODELS, metavar="TEXT", help="Answers every ctx.responses_create.")
]
Embedding = Annotated[
    str | None,
    _option(
        _MODELS,
        metavar="JSON",
        help="Answers every ctx.embeddings_create: an array of numbers, or several such arrays, "
        "which the texts of a call take in turn.",
    ),
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show model calls, and each sample in full.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one object a sample, a line each.")]


@app.callback()
def about() -> None:
    """Keep `test` a word of its own: typer would leave out the name of an only command."""


@app.command("test")
def try_out(  # noqa: PLR0913 - the options of one command
    context: typer.Context,
    *,
    file: File = None,
    sample: OneSample = None,
    samples: Samples = None,
    output: Output = None,
    target: Target = None,
    row: Row = None,
    contract: GraderContract = None,
    execution: GraderExecution = None,
    isolation: GraderIsolation = None,
    timeout: Timeout = None,
    max_model_calls: MaxModelCalls = None,
    metric_id: MetricId = None,
    extraction: Extraction = None,
    manifest: ManifestFile = None,
    task: TaskId = None,
    judge_output: JudgeOutput = None,
    embedding: Embedding = None,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Grade in a real jail and show outcome, scores, output, time, CPU and memory.

    Starts a grader of its own and ends it. Variables that begin with GRADER_ set it as they set
    any grader.

    Exit code: 0 when everything was scored, 1 when a sample was not, 2 when nothing was graded
    (wrong options, a program that does not parse, no jails here).

    For example:

      proctor grader test grader.py --output "42" --target 42

      proctor grader test grader.py --samples answers.jsonl --contract batch

      proctor grader test judge.py --output Paris --contract model_backed --judge-output "yes"

      proctor grader test --manifest suite.json --task sums --row '{"a": 1}' --output "1"
    """
    settings = {
        "contract": contract.value if contract else None,
        "execution": execution.value if execution else None,
        "isolation": isolation.value if isolation else None,
        "timeout_seconds": timeout,
        "max_model_calls": max_model_calls,
        "metric_id": metric_id,
    }
    choices = Choices(
        file=file, manifest=manifest, task_id=task, settings=settings, extraction=extraction
    )
    wanted = _Wanted(
        program=trial_program(choices),
        samples=_samples(samples, sample, row=row, output=output, target=target),
        answers=Answers(
            text=judge_output, vectors=None if embedding is None else read_vectors(embedding)
        ),
    )
    _refuse_unheard_answers(wanted)
    session = session_of(context)
    run_to_end(_test(session, wanted, verbose=verbose, many=bool(samples), as_json=as_json))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    program: TrialProgram
    samples: list[GivenSample]
    answers: Answers


def _samples(
    path: Path | None,
    sample: str | None,
    *,
    row: str | None,
    output: str | None,
    target: str | None,
) -> list[GivenSample]:
    single = [part for part in (sample, row, output, target) if part is not None]
    if path is not None and single:
        raise NothingGraded("--samples goes without --sample, --row, --output and --target.")
    if path is not None:
        return many_samples(path)
    if not single:
        raise NothingGraded(
            "Say what to grade: --output TEXT and --target TEXT, --sample JSON, or --samples FILE."
        )
    return numbered([single_sample(sample, row=row, output=output, target=target)])


def _refuse_unheard_answers(wanted: _Wanted) -> None:
    if wanted.answers != Answers() and wanted.program.grader.model_access == "none":
        raise NothingGraded(
            "This grader has no model access, so nothing asks for --judge-output or --embedding: "
            "try --contract model_backed."
        )


async def _test(
    session: Session, wanted: _Wanted, *, verbose: bool, many: bool, as_json: bool
) -> None:
    configure_logs("proctor", "critical", json=False)  # the bridge of a trial is nobody's service
    # Whoever ends us ends the grader and its files too, as Ctrl-C does.
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGTERM, signal.raise_signal, signal.SIGINT
    )
    try:
        trial = await tried(
            wanted.program,
            wanted.samples,
            answers=wanted.answers,
            environment=dict(os.environ),  # noqa: TID251 - a grader takes settings of a shell
            progress=session.say,
        )
    except LocalStackError as error:
        sentence, *details = str(error).splitlines()
        raise NothingGraded(sentence, details=details) from None
    if as_json:
        for part in trial.as_json():
            session.print_json(part)
    else:
        _show(session, trial, verbose=verbose, many=many)
    if not trial.all_scored:
        raise typer.Exit(1)


def _show(session: Session, trial: Trial, *, verbose: bool, many: bool) -> None:
    parts = (
        trial_view(trial, verbose=verbose)
        if many
        else sample_view(trial.samples[0], trial.execution, verbose=verbose)
    )
    print_parts(parts, session.out)
