"""Import objects."""

from typing import Literal

from pydantic import Field

from gateway.inbound.resources.resource import Resource
from proctor.imports.v1 import history_service_pb2 as pb


class ImportSourceObject(Resource):
    """Where results came from, as it was asked for."""

    type: Literal["huggingface"] = "huggingface"
    repo: str
    revision: str


class ImportedFileObject(Resource):
    """What became of one file."""

    path: str
    status: Literal["imported", "skipped"]
    run_id: str | None = Field(
        description="The run that was made of it, now or by an earlier import."
    )
    reason: str | None = Field(description="Why it was skipped, such as `already_imported`.")


class ImportObject(Resource):
    """What an import did, or in a dry run would do."""

    object: Literal["eval.import"] = "eval.import"
    source: ImportSourceObject
    suite_id: str = Field(
        description="`dry_run` for a suite that would be created; empty when there was nothing to "
        "make one of."
    )
    suite_version: int = Field(ge=0, description="Version under which runs were recorded.")
    created_suite: bool
    created_suite_version: bool
    dry_run: bool
    discovered_files: int = Field(ge=0, description="Files found, before any cap.")
    imported_runs: int = Field(ge=0)
    skipped_runs: int = Field(ge=0)
    imported_samples: int = Field(ge=0)
    files: list[ImportedFileObject]


def import_object(
    answer: pb.ImportHistoryResponse, *, repo: str, revision: str, dry_run: bool
) -> ImportObject:
    """The REST object of an import."""
    return ImportObject(
        source=ImportSourceObject(repo=repo, revision=revision),
        suite_id=answer.suite_id,
        suite_version=answer.suite_version,
        created_suite=answer.created_suite,
        created_suite_version=answer.created_suite_version,
        dry_run=dry_run,
        discovered_files=answer.discovered_files,
        imported_runs=answer.imported_runs,
        skipped_runs=answer.skipped_runs,
        imported_samples=answer.imported_samples,
        files=[
            ImportedFileObject(
                path=file.path,
                status="imported" if file.status == "imported" else "skipped",
                run_id=file.run_id or None,
                reason=file.reason or None,
            )
            for file in answer.files
        ],
    )
