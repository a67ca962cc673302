"""Create a suite, and further versions of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.domain.ids import IdPrefix
from orchestrator.domain.requests import label_problems, require, suite_problems
from orchestrator.domain.suite import Suite, SuiteVersion
from orchestrator.ports.stores import Suites
from orchestrator.usecases.check_manifest import CheckManifest
from servicekit.caller import Caller
from servicekit.clock import Clock
from servicekit.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteDraft:
    """A suite as it is asked for."""

    name: str
    description: str | None
    manifest_json: bytes
    metadata: Mapping[str, str]


class CreateSuite:
    """Creates a suite with its version 1."""

    def __init__(self, suites: Suites, check_manifest: CheckManifest, clock: Clock) -> None:
        self._suites = suites
        self._check_manifest = check_manifest
        self._clock = clock

    async def __call__(self, caller: Caller, draft: SuiteDraft) -> Suite:
        """Return the new suite.

        Raises:
            RequestInvalid: its own fields break rules.
            ManifestInvalid: its manifest does.
        """
        metadata = draft.metadata
        require(suite_problems(name=draft.name, description=draft.description, metadata=metadata))
        content = await self._check_manifest(draft.manifest_json, metadata)
        now = self._clock.utc_now()
        suite = Suite(
            id=new_id(IdPrefix.SUITE),
            org_id=caller.org_id,
            team_id=caller.team_id,
            name=draft.name,
            description=draft.description,
            active_version=1,
            latest_version=1,
            metadata=metadata,
            created_at=now,
            updated_at=now,
        )
        await self._suites.add(suite, content)
        return suite


class CreateSuiteVersion:
    """Adds a version to a suite."""

    def __init__(self, suites: Suites, check_manifest: CheckManifest) -> None:
        self._suites = suites
        self._check_manifest = check_manifest

    async def __call__(
        self,
        caller: Caller,
        suite_id: str,
        *,
        manifest_json: bytes,
        metadata: Mapping[str, str],
        activate: bool,
    ) -> SuiteVersion:
        """Return the new version; new runs take it when it is to be activated.

        Raises:
            SuiteNotFound: there is no such suite.
            SharedReadOnly: it is another organisation's.
            RequestInvalid: the labels break rules.
            ManifestInvalid: the manifest does.
        """
        require(label_problems(metadata))
        # Before the manifest is checked: whoever has no such suite learns nothing else.
        await self._suites.get_owned(caller, suite_id)
        content = await self._check_manifest(manifest_json, metadata)
        return await self._suites.add_version(caller, suite_id, content, activate=activate)
