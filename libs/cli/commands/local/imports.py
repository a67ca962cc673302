"""`proctor import`: results that lm-evaluation-harness wrote, from a folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.errors import CliError
from cli.running import run_to_end
from cli.session import Session, session_of
from cli.views.plain import plain
from localstack.stack.imports import import_folder

app = typer.Typer()


@app.command("import")
def import_(  # noqa: PLR0913 -- the command's options
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Folder that the harness wrote.")],
    *,
    suite_id: Annotated[str, typer.Option("--suite", help="Id of a suite to import into.")] = "",
    suite_name: Annotated[
        str, typer.Option("--name", help="Name of the suite to find or to create.")
    ] = "Imported results",
    prefix: Annotated[str, typer.Option(help="Only files whose path begins with it.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100, help="Most files to import.")] = 100,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    org: Annotated[str, typer.Option(help="Organisation of the runs.")] = "local",
    team: Annotated[str, typer.Option(help="Team of the runs.")] = "local",
    state: Annotated[
        Path | None, typer.Option("--state", help="State folder of the stack; default: .proctor")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make completed runs of a folder of lm-evaluation-harness results, in the local stack.

    Example: proctor import results/ --name "Old results"
    """
    session = session_of(context)
    if not path.is_dir():
        raise CliError(f"{path} is not a folder.")
    words = [f"--org={org}", f"--team={team}", f"--suite-id={suite_id}", f"--prefix={prefix}"]
    words += [f"--suite-name={suite_name}", f"--limit-files={limit}"]
    words += ["--dry-run"] if dry_run else []
    arguments = [*words, "--", str(path.absolute())]
    run_to_end(_import(session, state or session.state_dir, arguments, as_json=as_json))


async def _import(session: Session, state: Path, arguments: list[str], *, as_json: bool) -> None:
    report = await import_folder(state, arguments)
    dry_run = "--dry-run" in arguments
    if as_json:
        session.print_json(report)
        return
    for file in report["files"]:
        session.out.print(line_of(file, dry_run=dry_run), markup=False, soft_wrap=True)
    session.say(summary(report, dry_run=dry_run))


def summary(report: Mapping[str, Any], *, dry_run: bool) -> str:
    """Return one sentence on a whole import."""
    if not report["files"]:
        return "Nothing to import: no samples_*.jsonl; the harness writes them with --log_samples."
    runs, samples = report["imported_runs"], report["imported_samples"]
    counts = f"{_counted(runs, 'run')} with {_counted(samples, 'sample')}"
    skipped = f"{report['skipped_runs']} skipped"
    if dry_run:
        suite = "a new suite" if report["created_suite"] else report["suite_id"] or "no suite"
        return f"Would import {counts} into {suite}, {skipped}; nothing was written"
    return f"{counts} in {report['suite_id'] or 'no suite'}, {skipped}"


def line_of(file: Mapping[str, Any], *, dry_run: bool) -> str:
    """Return what became of one file, or would: status, reason or run, and path, with tabs."""
    status = "would import" if dry_run and file["status"] == "imported" else file["status"]
    return "\t".join((status, file["reason"] or file["run_id"] or "-", plain(file["path"])))


def _counted(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count} {noun}s"
