"""A manifest is read beside the event loop."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import cast

import pytest

from manifest.parsing import ManifestInvalid
from orchestrator.domain.work import FileFacts
from orchestrator.ports.services import Checked, Files, Sandbox
from orchestrator.usecases.check_manifest import CheckManifest


class NoFiles:
    async def lookup(self, file_ids: Sequence[str]) -> Mapping[str, FileFacts]:
        del file_ids
        return {}


class AnyProgram:
    async def check(self, programs: Sequence[object]) -> Checked:
        del programs
        return Checked((), ())


async def test_the_event_loop_goes_on_while_manifests_are_read() -> None:
    check = CheckManifest(cast("Files", NoFiles()), cast("Sandbox", AnyProgram()))
    raw = b'{"tasks":[' + b"{}," * 20_000 + b"{}]}"

    async def refused() -> None:
        with pytest.raises(ManifestInvalid, match="1 to 100 entries"):
            await check(raw, {})

    turns = 0
    async with asyncio.TaskGroup() as group:
        checks = [group.create_task(refused()) for _ in range(2)]
        while not all(task.done() for task in checks):
            turns += 1
            await asyncio.wait(checks, timeout=0.001)

    assert turns > 2
