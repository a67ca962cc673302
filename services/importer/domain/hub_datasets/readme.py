"""The metadata at the top of a README: as much of it as says which files are a dataset."""

import re

import yaml

from importer.domain.dataset import DatasetError
from importer.domain.hub_datasets.card import Config, configs_of

README_BYTES_MAX = 4 * 1024 * 1024
_METADATA = re.compile(r"\s*---[ \t]*\r?\n(.*?\r?\n)---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
# Up to the next key of the outermost level. The rest, statistics of every column of every
# configuration, may be a hundred times as long and is not looked at.
_CONFIGS = re.compile(r"^configs:.*?(?=^[^\s#-]|\Z)", re.DOTALL | re.MULTILINE)
_CONFIGS_CHARS_MAX = 1024 * 1024  # 5 s of parsing; a thousand configurations have a tenth of it
_DEPTH_MAX = 16


def configs_in(readme: bytes) -> list[Config]:
    """Return the configurations that a README declares; none when it says nothing of them.

    Raises:
        DatasetError: what it says cannot be read.
    """
    metadata = _METADATA.match(readme.decode(errors="replace").removeprefix("\ufeff"))
    declared = _CONFIGS.search(metadata[1]) if metadata else None
    if declared is None:
        return []
    try:
        _check_shape(declared[0])
        return configs_of(yaml.load(declared[0], Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, ValueError) as error:  # numbers too long for Python are ValueErrors
        message = "`configs` in the README of the dataset cannot be read; give `data_files`"
        raise DatasetError(message, param="data_files") from error


def _check_shape(text: str) -> None:
    """Refuse aliases, which make much of little, and what is nested without need."""
    if len(text) > _CONFIGS_CHARS_MAX:
        raise ValueError("too long")
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEPTH_MAX or isinstance(event, yaml.AliasEvent):
            raise ValueError("nested too deep, or more than it seems")
