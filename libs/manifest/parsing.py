"""From the bytes a user sent to a manifest, or to all that is wrong with them."""

from collections.abc import Sequence

from pydantic import ValidationError

from manifest.json_gate import open_json
from manifest.problem import VIOLATIONS_MAX, Problem, to_violations
from manifest.schema import Manifest
from manifest.section import problems_of
from manifest.sound_parts import sound_parts
from servicekit.errors import Kind, ServiceError, Violation

MANIFEST_BYTES_MAX = 4 * 1024 * 1024

_ROOT = "manifest"
_REASON = "INVALID_MANIFEST"


class ManifestInvalid(ServiceError):
    """The manifest breaks rules; nothing was stored.

    `violations` has all of them; `reason` is the first one's, and `metadata["param"]` its path.
    Later steps (files, programs) raise it with their violations too, so that callers see one error
    for one manifest: `sound` is what of the document they can still look at.
    """

    kind = Kind.INVALID_ARGUMENT
    reason = _REASON

    def __init__(self, violations: Sequence[Violation], sound: Manifest | None = None) -> None:
        first, further = violations[0], len(violations) - 1
        more = f" ({further} more in details)" if further else ""
        super().__init__(f"{first.message}{more}", violations=violations, param=first.path)
        self.reason = first.reason
        self.sound = sound


def parse_manifest(raw: bytes) -> Manifest:
    """Read a manifest and fill in its defaults.

    Args:
        raw: One JSON object in UTF-8, at most 4 MiB.

    Raises:
        ManifestInvalid: with every problem of the document, each with a path such as
            `manifest.tasks[2].output_extraction.pattern`.
    """
    opened = open_json(raw, reason=_REASON, bytes_max=MANIFEST_BYTES_MAX)
    problems = list(opened.problems)
    manifest: Manifest | None = None
    if opened.document is not None:
        try:
            manifest = Manifest.model_validate(opened.document)
        except ValidationError as error:
            problems.extend(_beyond(problems, list(problems_of(error, reason=_REASON))))
    if manifest is None or problems:
        # With more problems than are told, nothing is gained by looking for others.
        looked_at = opened.document if len(problems) < VIOLATIONS_MAX else None
        sound = None if looked_at is None else sound_parts(looked_at)
        raise ManifestInvalid(to_violations(_ROOT, problems), sound)
    return manifest


def _beyond(known: Sequence[Problem], found: Sequence[Problem]) -> list[Problem]:
    """Leave out problems at places where the gate had to put something harmless in."""
    replaced = {problem.location for problem in known}
    return [problem for problem in found if problem.location not in replaced]
