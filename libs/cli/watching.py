"""Follow a run until it ends and show what came of it."""

import asyncio
from collections.abc import AsyncIterator

from cli.errors import CliError
from cli.server.api import Api, Params
from cli.server.downloads import artifact_files
from cli.server.resources import Page, Run, Sample
from cli.session import Session
from cli.views.plain import plain
from cli.views.progress import shown
from cli.views.results import failures_line, grader_line, reason_line, results_table

# As many failed samples as a page has tell what went wrong with most.
_LOOKED_AT = 500


async def follow(api: Api, run_id: str, *, poll_s: float) -> AsyncIterator[Run]:
    """Stream the states of a run; the last one has ended."""
    while True:
        run = Run.of(await api.get(f"/evals/runs/{run_id}"))
        yield run
        if run.has_ended:
            return
        await asyncio.sleep(poll_s)


def require_completed(run: Run) -> None:
    """Pass a completed run.

    Raises:
        CliError: the run failed or was cancelled; says why.
    """
    if run.status == "completed":
        return
    why = f": {run.error.message} [{run.error.code}]" if run.error else ""
    raise CliError(f"Run {run.id} {run.status}{why}")


def require_samples(run: Run) -> None:
    """Pass a run with results: at least one of its samples completed, or it has none at all.

    Raises:
        CliError: every sample failed.
    """
    counts = run.request_counts
    if counts.failed and not counts.completed:
        raise CliError(f"No sample of {run.id} completed.")


async def show_to_the_end(session: Session, api: Api, run_id: str) -> Run:
    """Show progress, then results and where the artifacts lie.

    Raises:
        CliError: the run did not complete. Whether any sample did is left to `require_samples`.
    """
    run = await shown(follow(api, run_id, poll_s=session.poll_s), session.err)
    require_completed(run)
    await show_results(session, api, run)
    for file in await artifact_files(api, run_id):
        session.out.print(f"artifact {file.id}  {plain(file.filename)}", markup=False)
    return run


async def show_results(session: Session, api: Api, run: Run) -> None:
    """Print the results of a completed run, and beside them why samples failed."""
    results_table(run).print_to(session.out)
    if line := grader_line(run):
        session.err.print(line, markup=False, soft_wrap=True)
    await warn_of_failures(session, api, run)


async def warn_of_failures(session: Session, api: Api, run: Run) -> None:
    """Say beside the output how many samples failed, if any did, and what most of them said."""
    line = failures_line(run)
    if not line:
        return
    failed: Params = {"status": "failed", "limit": _LOOKED_AT, "include_dataset_row": False}
    page = Page.of(await api.get(f"/evals/runs/{run.id}/samples", failed))
    failures = [sample.error for entry in page.data if (sample := Sample.of(entry)).error]
    if failures:
        session.err.print(reason_line(failures), markup=False, soft_wrap=True)
    session.err.print(line, markup=False, soft_wrap=True)
