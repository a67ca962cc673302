"""Check a manifest as far as that is possible before a run."""

import asyncio
from collections.abc import Mapping, Sequence

from manifest import programs, references
from manifest.parsing import ManifestInvalid, parse_manifest
from manifest.references import FileReference, FileUse
from manifest.schema import Manifest, normalised_json
from orchestrator.domain.suite import VersionContent
from orchestrator.domain.work import FileFacts
from orchestrator.ports.services import Files, Sandbox
from servicekit.errors import Violation

EVALS_PURPOSE = "evals"


class CheckManifest:
    """Turns what a user sent into the content of a version, or into all that is wrong with it."""

    def __init__(self, files: Files, sandbox: Sandbox) -> None:
        self._files = files
        self._sandbox = sandbox
        # Two parsing threads would only take turns, and hold two documents.
        self._parsing = asyncio.Semaphore(1)

    async def __call__(self, raw: bytes, metadata: Mapping[str, str]) -> VersionContent:
        """Return the normalised manifest, its files there and its programs compiled.

        Raises:
            ManifestInvalid: with every problem of the document, its files and its programs.
        """
        try:
            manifest = await self._parse(raw)
        except ManifestInvalid as invalid:
            if invalid.sound is None:
                raise
            _, further = await self._look_further(invalid.sound)
            problems = [*invalid.violations, *further]
            raise ManifestInvalid(_in_order(invalid.sound, problems)) from invalid
        found, problems = await self._look_further(manifest)
        if problems:
            raise ManifestInvalid(_in_order(manifest, problems))
        return VersionContent(
            manifest_json=normalised_json(references.with_formats(manifest, _formats(found))),
            task_ids=[task.id for task in manifest.tasks],
            dataset_file_ids=references.dataset_file_ids(manifest),
            metadata=metadata,
        )

    async def _parse(self, raw: bytes) -> Manifest:
        # A large manifest takes half a second, in which runs and health checks go on.
        async with self._parsing:
            return await asyncio.to_thread(parse_manifest, raw)

    async def _look_further(
        self, manifest: Manifest
    ) -> tuple[Mapping[str, FileFacts], list[Violation]]:
        wanted = references.referenced_files(manifest)
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(self._lookup(wanted))
            checking = tasks.create_task(self._sandbox.check(programs.programs(manifest)))
        found = looking.result()
        return found, [*_file_problems(wanted, found), *checking.result().violations]

    async def _lookup(self, wanted: Sequence[FileReference]) -> Mapping[str, FileFacts]:
        file_ids = list(dict.fromkeys(reference.file_id for reference in wanted))
        return await self._files.lookup(file_ids) if file_ids else {}


def _file_problems(
    wanted: Sequence[FileReference], found: Mapping[str, FileFacts]
) -> list[Violation]:
    problems = (_file_problem(reference, found.get(reference.file_id)) for reference in wanted)
    return [problem for problem in problems if problem is not None]


def _file_problem(reference: FileReference, facts: FileFacts | None) -> Violation | None:
    path = reference.path
    if facts is None:
        message = f"{path}: there is no file {reference.file_id}"
        return Violation(path, "FILE_NOT_FOUND", message)
    file = f"{path}: the file {reference.file_id} ({facts.filename})"
    if facts.purpose != EVALS_PURPOSE:
        message = f"{file} has the purpose {facts.purpose}, it must be {EVALS_PURPOSE}"
        return Violation(path, "FILE_WRONG_PURPOSE", message)
    if reference.use is not FileUse.DATASET:
        if facts.size_bytes > references.PROGRAM_FILE_BYTES_MAX:
            most = references.PROGRAM_FILE_BYTES_MAX
            message = f"{file} has {facts.size_bytes} bytes, a program at most {most}"
            return Violation(path, "FILE_WRONG_FORMAT", message)
        return None
    if reference.format is None and references.dataset_format(facts.filename) is None:
        message = (
            f"{file} has a name that does not tell the format; "
            "give `format`, or name the file .jsonl, .ndjson or .csv"
        )
        return Violation(path, "FILE_WRONG_FORMAT", message)
    return None


def _formats(found: Mapping[str, FileFacts]) -> dict[str, str]:
    told = {file_id: references.dataset_format(facts.filename) for file_id, facts in found.items()}
    return {file_id: name for file_id, name in told.items() if name is not None}


def _in_order(manifest: Manifest, problems: Sequence[Violation]) -> list[Violation]:
    """Sort by task, so that the first problem is the first in the document, roughly."""
    places = [f"manifest.tasks[{index}]." for index in range(len(manifest.tasks))]
    return sorted(
        problems,
        key=lambda problem: next(
            (rank for rank, place in enumerate(places) if problem.path.startswith(place)),
            len(places),
        ),
    )
