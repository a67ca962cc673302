"""Splits that the names of files and folders tell, where no README does."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from importer.domain.hub_datasets.card import WHOLE_DATA_SPLIT
from importer.domain.hub_datasets.formats import of_main_format

ALIASES: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_SPLIT_OF_WORD = {word: split for split, words in ALIASES.items() for word in words}
_SHARD = re.compile(r"data/([\w.-]+)-[0-9]{5}-of-[0-9]{5}\.[\w.]+")
_WORDS = re.compile(r"[^A-Za-z]+")
# The hub's own records of a dataset look like rows and are none.
_RECORDS = frozenset({"dataset_infos.json", "dataset_info.json", "dataset_dict.json", "state.json"})
_EXPORTED = re.compile(r"(?P<config>[^/]+)/(?:partial-)?(?P<split>[^/]+)/[^/]+\.parquet")

Splits = dict[str, list[str]]
"""Paths by split, sorted."""


def splits_by_layout(paths: Iterable[str], folder: str = "") -> Splits:
    """Sort data files into splits: by `data/train-00000-of-00002`, by folders, by file names.

    The first of these ways that tells a split for any file decides. Where none does, all files are
    the split `train`. Files that cannot be read are left out.
    """
    prefix = f"{folder}/" if folder else ""
    data = (path for path in paths if path.startswith(prefix) and _is_data(path))
    inside = sorted(of_main_format(data))
    for split_of in (_of_shard, _of_folder, _of_name):
        found: Splits = {}
        for path in inside:
            if split := split_of(path.removeprefix(prefix)):
                found.setdefault(split, []).append(path)
        if found:
            return found
    return {WHOLE_DATA_SPLIT: inside} if inside else {}


def exported(paths: Iterable[str]) -> dict[str, Splits]:
    """Sort the files of the hub's own Parquet export by configuration and split."""
    configs: dict[str, Splits] = {}
    for path in sorted(paths):
        if found := _EXPORTED.fullmatch(path):
            splits = configs.setdefault(found["config"], {})
            splits.setdefault(found["split"], []).append(path)
    return configs


def synonyms(split: str) -> Sequence[str]:
    """Return the words that mean the same split, itself first."""
    same = ALIASES.get(_SPLIT_OF_WORD.get(split, ""), ())
    return [split, *(word for word in same if word != split)]


def _is_data(path: str) -> bool:
    steps = path.split("/")
    return steps[-1] not in _RECORDS and not any(step.startswith((".", "__")) for step in steps)


def _of_shard(path: str) -> str | None:
    found = _SHARD.fullmatch(path)
    return found[1] if found else None


def _of_folder(path: str) -> str | None:
    return _told(PurePosixPath(path).parts[:-1])


def _of_name(path: str) -> str | None:
    return _told(PurePosixPath(path).parts[-1:])


def _told(names: Iterable[str]) -> str | None:
    words = (word for name in names for word in _WORDS.split(name.lower()))
    return next((_SPLIT_OF_WORD[word] for word in words if word in _SPLIT_OF_WORD), None)
