"""Which of what exists is meant, and what is said when that cannot be told."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from importer.domain.dataset import DatasetError
from importer.domain.hub_datasets.card import DEFAULT_CONFIG, Config
from importer.domain.hub_datasets.layout import synonyms

PREFERRED_SPLITS = ("test", "validation", "dev", "train")
_LISTED_MAX = 20


def chosen_config(configs: Sequence[Config], name: str | None) -> Config:
    """Return the configuration with a name; without one the default, or the only one there is.

    Raises:
        DatasetError: there is none such, or several and no default; says which there are.
    """
    names = [config.name for config in configs]
    if name is not None:
        found = next((config for config in configs if config.name == name), None)
        if found is None:
            raise _missing("config", name, names, param="name")
        return found
    marked = [config for config in configs if config.is_default]
    called_so = [config for config in configs if config.name == DEFAULT_CONFIG]
    candidates = marked or called_so or configs
    if len(candidates) != 1:
        message = f"the dataset has several configs; give `name`, one of {listed(names)}"
        raise DatasetError(message, param="name")
    return candidates[0]


def chosen_split(splits: Collection[str], name: str | None) -> str:
    """Return the split with a name, or one that means the same, such as `val` for `validation`.

    Without a name the first of test, validation, dev and train, or the only one there is.

    Raises:
        DatasetError: there is none such; says which there are.
    """
    if name is not None:
        found = next((word for word in synonyms(name) if word in splits), None)
        if found is None:
            raise _missing("split", name, splits, param="split")
        return found
    for preferred in PREFERRED_SPLITS:
        found = next((word for word in synonyms(preferred) if word in splits), None)
        if found is not None:
            return found
    if len(splits) != 1:
        message = f"give `split`, one of {listed(splits)}"
        raise DatasetError(message, param="split")
    return next(iter(splits))


def listed(names: Iterable[str]) -> str:
    """Return names for a sentence: at most 20, each cut to 64 characters."""
    every = sorted(names)
    shown = ", ".join(name[:64] for name in every[:_LISTED_MAX])
    more = f" and {len(every) - _LISTED_MAX} more" if len(every) > _LISTED_MAX else ""
    return f"{shown}{more}" if every else "none"


def nonempty(splits: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return the splits that have files."""
    return {split: list(paths) for split, paths in splits.items() if paths}


def _missing(what: str, name: str, names: Iterable[str], *, param: str) -> DatasetError:
    message = f"the dataset has no {what} {name[:64]!r}; there are: {listed(names)}"
    return DatasetError(message, param=param)
