"""What a manifest asks of the hub, and the one name its rows are kept under."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

Patterns = Mapping[str, tuple[str, ...]]
"""File patterns by split."""

ANY_SPLIT = ""
"""The split of files that were named without one: they are whatever split is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedDataset:
    """A dataset of the hub as a manifest names it; None is what was left out.

    Attributes:
        repo: `owner/name`.
        config: what the hub calls a subset.
        split: one of its parts.
        revision: branch, tag or commit.
        data_files: patterns by split, or under `ANY_SPLIT`.
        max_rows: only the first so many rows.
    """

    repo: str
    config: str | None = None
    split: str | None = None
    revision: str | None = None
    data_files: Patterns | None = None
    max_rows: int | None = None

    def digest(self, commit: str) -> str:
        """Return the SHA-256 that names the rows of this dataset at a commit."""
        files = self.data_files
        key = {
            "repo": self.repo,
            "commit": commit,
            "config": self.config,
            "split": self.split,
            "data_files": None if files is None else {s: list(p) for s, p in files.items()},
            "max_rows": self.max_rows,
        }
        return hashlib.sha256(orjson.dumps(key, option=orjson.OPT_SORT_KEYS)).hexdigest()


def patterns_of(data_files: object) -> Patterns | None:
    """Read a manifest's `data_files`: a name, a list of names, or these by split."""
    if data_files is None:
        return None
    if isinstance(data_files, dict):
        return {str(split): _names(files) for split, files in data_files.items()}
    return {ANY_SPLIT: _names(data_files)}


def _names(files: object) -> tuple[str, ...]:
    return tuple(str(name) for name in (files if isinstance(files, list) else [files]))
