"""`python -m importer import PATH`: harness output of a folder, made runs of a team."""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from importer.domain.history import FileReport, ImportOrder, ImportReport
from importer.usecases.history_ports import Repository
from importer.usecases.import_results import ImportResults
from servicekit.caller import Caller, calling_as
from servicekit.errors import ServiceError

REFUSED = 1
FILES_MAX = 100

_OWNER = "folder"
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_.-]+")


def read_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line after `import`; ends the process with code 2 when it makes no sense."""
    parser = argparse.ArgumentParser(prog="python -m importer import", description=__doc__)
    parser.add_argument("path", type=Path, help="folder that the harness wrote")
    parser.add_argument("--org", required=True, help="organisation that the runs are of")
    parser.add_argument("--team", required=True, help="team that the runs are of")
    parser.add_argument("--suite-id", default="", help="suite to import into")
    parser.add_argument("--suite-name", default="Imported results", help="suite to find or create")
    parser.add_argument("--prefix", default="", help="only paths that begin with it")
    parser.add_argument("--limit-files", type=int, default=FILES_MAX, help="most files, up to 100")
    parser.add_argument("--dry-run", action="store_true", help="say what would happen")
    options = parser.parse_args(arguments)
    if not options.path.is_dir():
        parser.error(f"{options.path} is not a folder")
    if not 1 <= options.limit_files <= FILES_MAX:
        parser.error(f"--limit-files must be 1 to {FILES_MAX}")
    return options


async def run_folder_command(
    options: argparse.Namespace, import_results: ImportResults, folder: Repository
) -> int:
    """Import and print a report as one line of JSON; the process's exit code."""
    caller = Caller(org_id=options.org, team_id=options.team)
    try:
        with calling_as(caller):
            report = await import_results(_order(options), folder)
    except ServiceError as error:
        sys.stderr.write(f"{error.message}\n")
        return REFUSED
    sys.stdout.write(json.dumps(_described(report)) + "\n")
    return 0


def _order(options: argparse.Namespace) -> ImportOrder:
    name = _NOT_IN_NAME.sub("_", options.path.resolve().name).lstrip("_.-") or "results"
    return ImportOrder(
        repo=f"{_OWNER}/{name}",
        revision="now",
        source="folder",
        path_prefix=options.prefix,
        suite_id=options.suite_id,
        suite_name=options.suite_name,
        dry_run=options.dry_run,
        limit_files=options.limit_files,
    )


def _described(report: ImportReport) -> dict[str, object]:
    return {
        "suite_id": report.suite_id,
        "suite_version": report.suite_version,
        "created_suite": report.created_suite,
        "created_suite_version": report.created_suite_version,
        "discovered_files": report.discovered_files,
        "imported_runs": sum(1 for file in report.files if file.skipped is None),
        "skipped_runs": sum(1 for file in report.files if file.skipped is not None),
        "imported_samples": report.imported_samples,
        "files": [_file(file) for file in report.files],
    }


def _file(file: FileReport) -> dict[str, object]:
    return {
        "path": file.path,
        "status": "imported" if file.skipped is None else "skipped",
        "run_id": file.run_id or None,
        "reason": file.skipped,
    }
