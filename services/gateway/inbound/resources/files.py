"""File objects."""

from typing import Literal

from pydantic import Field

from gateway.inbound.resources.resource import Identified, Page, seconds
from proctor.files.v1 import file_pb2


class FileObject(Identified):
    """A file of the team: an uploaded dataset or grader, or what a run left."""

    object: Literal["file"] = "file"
    bytes: int = Field(description="Length of the content.")
    created_at: int = Field(description="Unix seconds.")
    filename: str
    purpose: str
    expires_at: int | None = Field(description="Always null: files stay until they are deleted.")
    status: Literal["processed"] = "processed"
    sha256: str = Field(description="Lower-case hexadecimal digest of the content.")


class FileList(Page[FileObject]):
    """One page of files."""


class FileDeleted(Identified):
    """A file that is gone."""

    object: Literal["file"] = "file"
    deleted: Literal[True] = True


def file_object(file: file_pb2.File) -> FileObject:
    """The REST object of a file."""
    return FileObject(
        id=file.file_id,
        bytes=file.size_bytes,
        created_at=seconds(file.create_time),
        filename=file.filename,
        purpose=file.purpose,
        expires_at=None,
        sha256=file.sha256,
    )
