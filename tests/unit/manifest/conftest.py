"""A small valid manifest and ways to break it."""

import copy
import json
from collections.abc import Callable, Mapping

import pytest
from hypothesis import HealthCheck, settings

from manifest.parsing import ManifestInvalid, parse_manifest
from manifest.schema import Manifest
from servicekit.errors import Violation

# A busy machine draws examples slowly; that says nothing about the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

TASK: dict[str, object] = {
    "id": "sums",
    "type": "numeric",
    "dataset": {"file_id": "file_1"},
    "prompt_template": "Compute: {{q}}",
    "target_template": "{{a}}",
    "grader": {"type": "python", "source": "def grade(sample, item):\n    return 1\n"},
}


@pytest.fixture
def task() -> dict[str, object]:
    return copy.deepcopy(TASK)


@pytest.fixture
def parse_task() -> Callable[[Mapping[str, object]], Manifest]:
    """Parse a manifest of the small task with these keys replaced; None removes a key."""

    def parse(changes: Mapping[str, object]) -> Manifest:
        task = {k: v for k, v in (TASK | dict(changes)).items() if v is not None}
        return parse_manifest(json.dumps({"tasks": [task]}).encode())

    return parse


@pytest.fixture
def problems_of_task(
    parse_task: Callable[[Mapping[str, object]], Manifest],
) -> Callable[[Mapping[str, object]], list[Violation]]:
    """Return what is wrong with such a manifest; empty when nothing is."""

    def problems(changes: Mapping[str, object]) -> list[Violation]:
        try:
            parse_task(changes)
        except ManifestInvalid as error:
            return list(error.violations)
        return []

    return problems
