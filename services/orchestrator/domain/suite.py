"""Suites and their versions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from servicekit.errors import Kind, ServiceError


class SuiteNotFound(ServiceError):
    """There is no such suite in the caller's team."""

    kind = Kind.NOT_FOUND
    reason = "SUITE_NOT_FOUND"

    def __init__(self, suite_id: str) -> None:
        super().__init__(f"there is no suite {suite_id}", suite_id=suite_id)


class SuiteVersionNotFound(ServiceError):
    """The suite has no such version."""

    kind = Kind.NOT_FOUND
    reason = "SUITE_VERSION_NOT_FOUND"

    def __init__(self, suite_id: str, version: int) -> None:
        message = f"suite {suite_id} has no version {version}"
        super().__init__(message, suite_id=suite_id, version=version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A named series of immutable manifest versions."""

    id: str
    org_id: str
    team_id: str
    name: str
    description: str | None
    active_version: int
    latest_version: int
    metadata: Mapping[str, str]
    created_at: datetime
    updated_at: datetime

    def __post_init__(self) -> None:
        """Refuse an active version that there is not."""
        assert 1 <= self.active_version <= self.latest_version


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionContent:
    """What a version holds: a normalised manifest and what is often asked of it, in its order."""

    manifest_json: bytes
    task_ids: Sequence[str]
    dataset_file_ids: Sequence[str]
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteVersion:
    """One immutable version."""

    id: str
    suite_id: str
    version: int
    content: VersionContent
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRef:
    """A version without its manifest."""

    id: str
    suite_id: str
    version: int
    task_ids: Sequence[str]
