"""What the importer knows of the hub: names, files, and how a call can fail."""

import re
from dataclasses import dataclass

from servicekit.errors import Kind, ServiceError

_REPO = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)?")
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


class HubForbidden(ServiceError):
    """The hub knows the token or its absence, and says no (HTTP 401 or 403)."""

    kind = Kind.PERMISSION_DENIED
    reason = "HUGGINGFACE_FORBIDDEN"


class HubNotFound(ServiceError):
    """The hub has no such repository, revision or file, or does not show it (HTTP 404)."""

    kind = Kind.NOT_FOUND
    reason = "HUGGINGFACE_NOT_FOUND"


class HubUnavailable(ServiceError):
    """The hub could not be reached, or could not answer, after all retries."""

    kind = Kind.UNAVAILABLE
    reason = "HUGGINGFACE_UNAVAILABLE"


class HubAnswerInvalid(ServiceError):
    """The hub answered something else than its interface promises, or refused the request."""

    kind = Kind.FAILED_PRECONDITION
    reason = "HUGGINGFACE_ANSWER_INVALID"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFile:
    """A file of a repository: its path from the root, with `/`, and its length."""

    path: str
    size_bytes: int


def is_repo(name: str) -> bool:
    """Tell whether a name can be a repository's: `name` or `owner/name`, without tricks."""
    return _REPO.fullmatch(name) is not None and ".." not in name


def is_revision(name: str) -> bool:
    """Tell whether a name can be a branch's, tag's or commit's."""
    return bool(name) and name.isprintable() and ".." not in name and name != "."


def is_commit(name: str) -> bool:
    """Tell whether a revision is a whole commit digest, which never means anything else."""
    return _COMMIT.fullmatch(name) is not None


def is_path(path: str) -> bool:
    """Tell whether a path stays inside a repository."""
    steps = path.split("/")
    return path.isprintable() and "\\" not in path and not {"", ".", ".."} & set(steps)
