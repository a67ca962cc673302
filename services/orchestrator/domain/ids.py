"""Identifiers that can be worked out again, so that a repeated step makes the same thing."""

import hashlib
import re
from enum import StrEnum

_HEX_32 = re.compile(r"[0-9a-f]{32}")


class IdPrefix(StrEnum):
    """First part of the ids of what the orchestrator owns."""

    SUITE = "eval_suite"
    SUITE_VERSION = "eval_sver"
    RUN = "eval_run"
    SAMPLE = "eval_sample"
    SHARE = "eval_share"
    SCHEDULE = "eval_schedule"


class ArtifactKind(StrEnum):
    """Files that a completed run leaves."""

    RESULTS = "results"
    SAMPLES = "samples"


def is_id(value: str, prefix: IdPrefix) -> bool:
    """Tell whether `value` can be an id of this kind at all; what cannot need not be looked up."""
    head, separator, tail = value.rpartition("_")
    return head == prefix and separator == "_" and _HEX_32.fullmatch(tail) is not None


def sample_key(run_id: str, task_ord: int, model_ord: int, sample_index: int) -> str:
    """Return the 32 digits of a sample's id; the table computes the same (`SAMPLE_KEY_SQL`)."""
    place = f"{run_id}/{task_ord}/{model_ord}/{sample_index}"
    return hashlib.md5(place.encode(), usedforsecurity=False).hexdigest()


def sample_id(key: str) -> str:
    """Return the public id of a sample from its 32 digits."""
    return f"{IdPrefix.SAMPLE}_{key}"


def artifact_file_id(run_id: str, kind: ArtifactKind, edition: int) -> str:
    """Return the id of a run's artifact; a rerun makes another edition."""
    place = f"{run_id}/{kind}/{edition}"
    return f"file_{hashlib.md5(place.encode(), usedforsecurity=False).hexdigest()}"
