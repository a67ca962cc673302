"""`proctor demo`: the whole thing once, with a real small model."""

from pathlib import Path
from typing import Annotated

import typer

from cli.commands.local.stack import stack_options
from cli.errors import CliError
from cli.running import run_to_end
from cli.server.api import Api
from cli.server.downloads import fetch_artifacts
from cli.server.resources import JsonObject, Run, Suite
from cli.session import Session, session_of
from cli.suite_files import read_suite_file, resolved
from cli.watching import require_samples, show_to_the_end
from localstack.stack.foreground import running_stack
from localstack.stack.options import StackOptions

app = typer.Typer()

_SUITE = Path("examples") / "arithmetic-suite.json"
_CHECKOUT = Path(__file__).resolve().parents[4]

# Two configurations of the same weights, as the local stack's own models.toml names them.
_MODELS = ("smollm2-135m", "smollm2-135m-terse")
_JUDGE = "smollm2-135m"

# Greedy, and one short line: a sum needs no more, and a small machine is slow.
_GENERATION: JsonObject = {"temperature": 0, "max_output_tokens": 12, "stop": ["\n"]}

_PATIENCE_S = 60


@app.command()
def demo(
    context: typer.Context,
    *,
    state: Annotated[
        Path | None, typer.Option("--state", help="State folder; default: .proctor/demo")
    ] = None,
) -> None:
    """Run a small arithmetic suite against two configurations of a real local model.

    Starts a stack of its own, uploads the dataset, creates the suite, runs it, shows the results
    and stops the stack again. Needs nothing but this machine.
    """
    session = session_of(context)
    options = stack_options(state or session.state_dir / "demo")
    run_to_end(_demo(session, options, _suite_path()))


async def evaluate(session: Session, api: Api, suite_path: Path, *, results: Path) -> None:
    """Create the suite of a file, run it, show the results and download the artifacts.

    Raises:
        CliError: the run did not complete, or nothing in it was scored.
    """
    content = read_suite_file(suite_path, name=None, description=None)
    suite = Suite.of(await api.post("/evals/suites", await resolved(content, api)))
    session.say(f"Created the suite {suite.name} ({suite.id}) from {suite_path}.")
    body: JsonObject = {
        "suite_id": suite.id,
        "models": list(_MODELS),
        "judge_model": _JUDGE,
        "generation": _GENERATION,
        "metadata": {"started_by": "proctor demo"},
    }
    started = Run.of(await api.post("/evals/runs", body))
    session.say(f"Started the run {started.id} against {' and '.join(_MODELS)}.")
    run = await show_to_the_end(session, api, started.id)
    for path in await fetch_artifacts(api, run.id, results):
        session.out.print(f"downloaded {path}", markup=False)
    require_samples(run)


async def _demo(session: Session, options: StackOptions, suite_path: Path) -> None:
    session.say("Starting Postgres, NATS, a local model and the four services.")
    async with running_stack(options, progress=session.say) as stack:
        address = stack.describe()
        async with Api(
            address.base_url, address.api_key, patience_s=_PATIENCE_S, pause_s=session.poll_s
        ) as api:
            await evaluate(session, api, suite_path, results=options.state_dir / "results")
    session.say(f"To look around: proctor up --state {options.state_dir}")


def _suite_path() -> Path:
    for folder in (Path(), _CHECKOUT):
        if (folder / _SUITE).is_file():
            return folder / _SUITE
    raise CliError(f"{_SUITE} is not here: run the demo from a checkout of Proctor.")
