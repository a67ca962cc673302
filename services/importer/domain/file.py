"""A file of a team, and the rules for its name, purpose and id."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from servicekit.errors import Kind, ServiceError

FILENAME_CHARS_MAX = 255
_FILE_ID = re.compile(r"file_[0-9a-f]{32}")
_NOT_A_NAME = frozenset({"", "blob", ".", ".."})  # `blob` is what a browser sends for "no name"


class Purpose(StrEnum):
    """What a file is for, in the words of the REST contract."""

    ASSISTANTS = "assistants"
    BATCH = "batch"
    EVALS = "evals"
    FINE_TUNE = "fine-tune"
    USER_DATA = "user_data"
    VISION = "vision"


class InvalidFilename(ServiceError):
    """The name cannot be used; nothing was stored."""

    kind = Kind.INVALID_ARGUMENT
    reason = "INVALID_FILENAME"


class InvalidPurpose(ServiceError):
    """The purpose is not one of the known words; nothing was stored."""

    kind = Kind.INVALID_ARGUMENT
    reason = "INVALID_PURPOSE"


class InvalidFileId(ServiceError):
    """A service chose an id of another form; nothing was stored."""

    kind = Kind.INVALID_ARGUMENT
    reason = "INVALID_FILE_ID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The team that owns an object; another team's object does not exist for it."""

    org_id: str
    team_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A stored file; its bytes are the blob `sha256` (64 lower-case hexadecimal digits)."""

    id: str
    owner: Owner
    filename: str
    purpose: Purpose
    size_bytes: int
    sha256: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """What is known of a file before its bytes; `id` is empty when the importer shall choose."""

    filename: str
    purpose: Purpose
    id: str = ""


def new_file(*, filename: str, purpose: str, file_id: str = "") -> NewFile:
    """Return a description that keeps the rules of the contract (B.F1).

    Raises:
        InvalidFilename: blank, `blob`, too long, with a folder or a control character.
        InvalidPurpose: not one of the purpose words.
        InvalidFileId: given, and not `file_` with 32 hexadecimal digits.
    """
    if file_id and not _FILE_ID.fullmatch(file_id):
        raise InvalidFileId("a file id is `file_` and 32 hexadecimal digits", param="file_id")
    _check_filename(filename)
    return NewFile(filename=filename, purpose=purpose_of(purpose), id=file_id)


def purpose_of(word: str) -> Purpose:
    """Return the purpose with this word.

    Raises:
        InvalidPurpose: there is none.
    """
    try:
        return Purpose(word)
    except ValueError:
        known = ", ".join(Purpose)
        message = f"{word!r} is not a purpose; known are {known}"
        raise InvalidPurpose(message, param="purpose", purpose=word) from None


def _check_filename(filename: str) -> None:
    if filename.strip() in _NOT_A_NAME:
        raise InvalidFilename("the file needs a name", param="file")
    if len(filename) > FILENAME_CHARS_MAX:
        message = (
            f"the file's name has {len(filename)} characters; {FILENAME_CHARS_MAX} are allowed"
        )
        raise InvalidFilename(message, param="file")
    if "/" in filename or "\\" in filename:
        raise InvalidFilename("the file's name must not have a folder", param="file")
    if not filename.isprintable():  # would break a header of the download, or a terminal
        raise InvalidFilename("the file's name has a control character", param="file")
