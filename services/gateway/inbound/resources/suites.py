"""Suite and suite version objects."""

from typing import Any, Literal

from pydantic import Field

from gateway.inbound.resources.resource import (
    Identified,
    Page,
    object_of,
    seconds,
    text_if_set,
)
from proctor.suites.v1 import suite_pb2


class SuiteObject(Identified):
    """A named series of immutable manifest versions."""

    object: Literal["eval.suite"] = "eval.suite"
    name: str
    description: str | None
    org_id: str
    team_id: str
    access: Literal["owner", "shared"] = Field(
        description="`shared`: seen through a share, so neither changed nor run."
    )
    active_version: int = Field(description="Version that new runs take when they name none.")
    latest_version: int
    metadata: dict[str, str]
    created_at: int = Field(description="Unix seconds.")
    updated_at: int = Field(description="Unix seconds; moves when a version is added.")


class SuiteList(Page[SuiteObject]):
    """One page of suites."""


class SuiteDeleted(Identified):
    """A suite that is gone, with its runs."""

    object: Literal["eval.suite.deleted"] = "eval.suite.deleted"
    deleted: Literal[True] = True
    deleted_runs: int = Field(description="Runs that this call hid.")


class SuiteVersionObject(Identified):
    """One immutable version of a suite's manifest."""

    object: Literal["eval.suite.version"] = "eval.suite.version"
    suite_id: str
    version: int = Field(description="1-based ordinal.")
    manifest: dict[str, Any] = Field(description="The manifest with its defaults filled in.")
    dataset_file_ids: list[str]
    metadata: dict[str, str]
    created_at: int = Field(description="Unix seconds.")


class SuiteVersionList(Page[SuiteVersionObject]):
    """One page of versions."""


def suite_object(suite: suite_pb2.Suite) -> SuiteObject:
    """The REST object of a suite."""
    return SuiteObject(
        id=suite.suite_id,
        name=suite.name,
        description=text_if_set(suite, "description"),
        org_id=suite.org_id,
        team_id=suite.team_id,
        access="shared" if suite.shared else "owner",
        active_version=suite.active_version,
        latest_version=suite.latest_version,
        metadata=dict(suite.metadata),
        created_at=seconds(suite.create_time),
        updated_at=seconds(suite.update_time),
    )


def suite_version_object(version: suite_pb2.SuiteVersion) -> SuiteVersionObject:
    """The REST object of a version."""
    return SuiteVersionObject(
        id=version.suite_version_id,
        suite_id=version.suite_id,
        version=version.version,
        manifest=object_of(version.manifest_json),
        dataset_file_ids=list(version.dataset_file_ids),
        metadata=dict(version.metadata),
        created_at=seconds(version.create_time),
    )
