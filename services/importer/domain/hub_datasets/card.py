"""The configurations that a repository's README declares in its metadata."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from importer.domain.hub_datasets.wanted import Patterns

DEFAULT_CONFIG = "default"
WHOLE_DATA_SPLIT = "train"  # what the hub calls files that are of no split


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A configuration of a dataset.

    Attributes:
        name: what the hub calls it.
        patterns: its files by split; empty when its layout tells them.
        folder: where its files lie; empty for the whole repository.
        is_default: whether it is meant when none is named.
    """

    name: str
    patterns: Patterns = field(default_factory=dict)
    folder: str = ""
    is_default: bool = False


def configs_of(metadata: object) -> list[Config]:
    """Return the configurations in a README's metadata; those that make no sense are left out."""
    declared = metadata.get("configs") if isinstance(metadata, Mapping) else None
    if not isinstance(declared, list):
        return []
    return [_config(entry) for entry in declared if isinstance(entry, Mapping)]


def _config(entry: Mapping[object, object]) -> Config:
    folder = entry.get("data_dir")
    folder = folder.strip("/") if isinstance(folder, str) and folder != "." else ""
    return Config(
        name=_text(entry.get("config_name")) or DEFAULT_CONFIG,
        patterns=_patterns(entry.get("data_files"), folder),
        folder=folder,
        is_default=entry.get("default") is True,
    )


def _patterns(data_files: object, folder: str) -> Patterns:
    by_split: dict[str, list[str]] = {}
    for split, names in _declared(data_files):
        paths = names if isinstance(names, list) else [names]
        texts = [f"{folder}/{path}" if folder else path for path in paths if isinstance(path, str)]
        by_split.setdefault(split, []).extend(texts)
    return {split: tuple(paths) for split, paths in by_split.items() if paths}


def _declared(data_files: object) -> list[tuple[str, object]]:
    if isinstance(data_files, Mapping):
        return [(_text(split), names) for split, names in data_files.items()]
    entries = data_files if isinstance(data_files, list) else [data_files]
    return [
        (_text(entry.get("split")) or WHOLE_DATA_SPLIT, entry.get("path"))
        if isinstance(entry, Mapping)
        else (WHOLE_DATA_SPLIT, entry)
        for entry in entries
    ]


def _text(value: object) -> str:
    """Names like `2020` are numbers in YAML."""
    return str(value) if isinstance(value, str | int | float) else ""
