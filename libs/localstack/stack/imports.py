"""Imports of folders into a running stack, through the importer's own command."""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from localstack.errors import LocalStackError
from localstack.services.environments import loopback
from localstack.stack.description import read_description
from localstack.stack.folder import StateFolder

IMPORT_S = 3600.0


async def import_folder(state_dir: Path, arguments: Sequence[str]) -> dict[str, Any]:
    """Run `python -m importer import <arguments>` on a running stack and return its report.

    Raises:
        LocalStackError: no stack runs there, or the command refused.
    """
    if read_description(state_dir) is None:
        raise LocalStackError(f"no stack runs in {state_dir}; start one with `proctor up`")
    folder = StateFolder(state_dir)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "importer", "import", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={
            "PATH": os.defpath,
            "IMPORTER_INTERNAL_SECRET": folder.secret("internal"),
            "IMPORTER_ORCHESTRATOR_ADDRESS": loopback(folder.kept_port("orchestrator")),
        },
    )
    try:
        async with asyncio.timeout(IMPORT_S):
            printed, complaint = await process.communicate()
    except TimeoutError:
        raise LocalStackError("the import did not end within an hour") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise LocalStackError(f"the import failed: {complaint.decode(errors='replace').strip()}")
    report: dict[str, Any] = json.loads(printed)
    return report
