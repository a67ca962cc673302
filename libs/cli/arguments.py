"""Arguments and options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, eval_run_…")]
SuiteName = Annotated[str, typer.Argument(metavar="SUITE", help="Id or name of a suite.")]
State = Annotated[
    Path | None, typer.Option("--state", help="State folder of the stack; default: .proctor")
]
