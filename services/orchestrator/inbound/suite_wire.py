"""Suites and versions as messages."""

from orchestrator.domain.suite import Suite, SuiteVersion
from orchestrator.inbound.wire import stamp_from
from proctor.suites.v1 import suite_pb2
from servicekit.caller import Caller


def suite_from(suite: Suite, caller: Caller) -> suite_pb2.Suite:
    """Make the message of a suite as the caller sees it."""
    owners = (suite.org_id, suite.team_id)
    return suite_pb2.Suite(
        suite_id=suite.id,
        name=suite.name,
        description=suite.description,
        org_id=suite.org_id,
        team_id=suite.team_id,
        active_version=suite.active_version,
        latest_version=suite.latest_version,
        metadata=suite.metadata,
        create_time=stamp_from(suite.created_at),
        update_time=stamp_from(suite.updated_at),
        shared=owners != (caller.org_id, caller.team_id),
    )


def version_from(version: SuiteVersion) -> suite_pb2.SuiteVersion:
    """Make the message of a version."""
    return suite_pb2.SuiteVersion(
        suite_version_id=version.id,
        suite_id=version.suite_id,
        version=version.version,
        manifest_json=version.content.manifest_json,
        dataset_file_ids=version.content.dataset_file_ids,
        metadata=version.content.metadata,
        create_time=stamp_from(version.created_at),
    )
