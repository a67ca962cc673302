"""Find the files of a hub dataset: by `data_files`, README, layout, or Parquet export."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from time import monotonic

from importer.domain.dataset import DatasetError
from importer.domain.hub import HubFile, HubNotFound, is_path
from importer.domain.hub_datasets.card import DEFAULT_CONFIG, Config
from importer.domain.hub_datasets.choice import chosen_config, chosen_split, listed, nonempty
from importer.domain.hub_datasets.formats import READABLE, of_main_format
from importer.domain.hub_datasets.layout import Splits, exported, splits_by_layout
from importer.domain.hub_datasets.patterns import (
    PATTERN_CHARS_MAX,
    folder_of,
    is_plain,
    matching,
)
from importer.domain.hub_datasets.readme import README_BYTES_MAX, configs_in
from importer.domain.hub_datasets.wanted import ANY_SPLIT, Patterns, WantedDataset
from importer.ports import HubSession

FILES_MAX = 100_000
COMPARING_S_MAX = 10.0  # a pattern and a path take 5 microseconds; a thread cannot be cancelled
_COMPARED_AT_ONCE = 100
EXPORT = "refs/convert/parquet"
_NEWEST = "main"
_README = "README.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFiles:
    """The files of one split in their order, and the commit they are read at."""

    commit: str
    files: Sequence[HubFile]


@dataclass(frozen=True, slots=True)
class FindHubFiles:
    """Looks at one dataset repository at one commit."""

    session: HubSession
    wanted: WantedDataset
    commit: str

    async def __call__(self) -> FoundFiles:
        """Return the files whose rows are wanted.

        Raises:
            DatasetError: what is wanted does not exist, cannot be told, or cannot be read.
            HubForbidden, HubNotFound, HubUnavailable, HubAnswerInvalid: the hub says no.
        """
        if self.wanted.data_files is not None:
            sizes, splits = await self._matched(self.wanted.data_files)
            split = self._named_split(splits)
        else:
            config = await self._declared_config()
            if config is None and self.wanted.config not in (None, DEFAULT_CONFIG):
                return await self._exported()
            sizes, splits = await self._of_config(config)
            if not splits:
                return await self._exported()
            split = chosen_split(splits, self.wanted.split)
        paths = of_main_format(splits[split])
        if not paths and self.wanted.data_files is None:
            return await self._exported()
        if not paths:
            message = f"{listed(splits[split])} cannot be read; what can be read is {READABLE}"
            raise DatasetError(message, param="data_files")
        return _found(self.commit, paths, sizes)

    def _named_split(self, splits: Splits) -> str:
        if ANY_SPLIT in splits:  # they are whatever split was asked for
            return ANY_SPLIT
        if not splits:
            raise DatasetError("`data_files` match no file of the dataset", param="data_files")
        return chosen_split(splits, self.wanted.split)

    async def _declared_config(self) -> Config | None:
        readme = bytearray()
        try:
            async with aclosing(
                self.session.content(self.wanted.repo, self.commit, _README)
            ) as content:
                async for part in content:
                    readme += part
                    if len(readme) > README_BYTES_MAX:
                        break
        except HubNotFound:
            return None
        configs = await asyncio.to_thread(configs_in, bytes(readme[:README_BYTES_MAX]))
        return chosen_config(configs, self.wanted.config) if configs else None

    async def _of_config(self, config: Config | None) -> tuple[dict[str, HubFile], Splits]:
        if config is not None and config.patterns:
            return await self._matched(config.patterns)
        folder = config.folder if config is not None else ""
        sizes = await self._listed(self.commit, [folder])
        return sizes, splits_by_layout(sizes, folder)

    async def _matched(self, patterns: Patterns) -> tuple[dict[str, HubFile], Splits]:
        every = [pattern for some in patterns.values() for pattern in some]
        _check_patterns(every)
        sizes = await self._listed(self.commit, {folder_of(pattern) for pattern in every})
        return sizes, await asyncio.to_thread(_sorted_in, patterns, sizes)

    async def _exported(self) -> FoundFiles:
        """Take the Parquet files that the hub itself made of the newest commit."""
        newest = await self.session.commit(self.wanted.repo, _NEWEST)
        try:
            commit = await self.session.commit(self.wanted.repo, EXPORT)
        except HubNotFound:
            raise await self._unreadable() from None
        if newest != self.commit:
            message = (
                "only the hub's Parquet export of this dataset can be read, and it is made of the "
                "newest commit; leave `revision` out"
            )
            raise DatasetError(message, param="revision")
        sizes = await self._listed(commit, [""])
        configs = exported(sizes)
        known = [Config(name=name) for name in configs]
        splits = configs[chosen_config(known, self.wanted.config).name] if configs else {}
        if not splits:
            raise await self._unreadable()
        return _found(commit, splits[chosen_split(splits, self.wanted.split)], sizes)

    async def _unreadable(self) -> DatasetError:
        paths = await self._listed(self.commit, [""])
        if any(path.endswith(".py") for path in paths):
            message = (
                "the dataset has only a loading script, which is never executed, and the hub has "
                "no Parquet export of it; upload its rows as a file"
            )
        elif self.wanted.config is not None:
            name = self.wanted.config[:64]
            message = f"the dataset has no config {name!r}; its README declares none"
            return DatasetError(message, param="name")
        else:
            message = f"the dataset has no file that can be read; what can be read is {READABLE}"
        return DatasetError(message, param="path")

    async def _listed(self, commit: str, folders: Iterable[str]) -> dict[str, HubFile]:
        found: dict[str, HubFile] = {}
        for folder in _outermost(folders):
            try:
                async with aclosing(
                    self.session.files(self.wanted.repo, commit, folder=folder)
                ) as listing:
                    async for file in listing:
                        found[file.path] = file
                        _check_count(len(found))
            except HubNotFound:
                if not folder:  # a folder may be missing, a commit may not
                    raise
        return found


def _check_count(count: int) -> None:
    if count > FILES_MAX:
        message = f"there are more than {FILES_MAX} files; name those of one folder in `data_files`"
        raise DatasetError(message, param="data_files")


def _check_patterns(patterns: Iterable[str]) -> None:
    for pattern in patterns:
        if "://" in pattern:
            message = f"{pattern[:64]!r} is not in the dataset; only its own files are read"
            raise DatasetError(message, param="data_files")
        plain = pattern.removeprefix("./")
        if len(pattern) > PATTERN_CHARS_MAX or not is_path(plain):
            message = f"{pattern[:64]!r} is not the path of a file in the dataset"
            raise DatasetError(message, param="data_files")


def _sorted_in(patterns: Patterns, files: dict[str, HubFile]) -> Splits:
    give_up_at = monotonic() + COMPARING_S_MAX
    splits: Splits = {}
    for split, some in patterns.items():
        found: dict[str, None] = {}
        for pattern in some:
            found |= dict.fromkeys(_matching(pattern, files, give_up_at))
        splits[split] = list(found)
    return nonempty(splits)


def _matching(pattern: str, files: dict[str, HubFile], give_up_at: float) -> list[str]:
    if is_plain(pattern):
        return matching(pattern, files)
    found: list[str] = []
    for some in _batches(files):
        if monotonic() > give_up_at:
            message = f"comparing patterns with {len(files)} files takes too long; name the files"
            raise DatasetError(message, param="data_files")
        found += matching(pattern, some)
    return sorted(found)


def _batches(paths: Iterable[str]) -> Iterator[list[str]]:
    waiting = iter(paths)
    while some := list(islice(waiting, _COMPARED_AT_ONCE)):
        yield some


def _outermost(folders: Iterable[str]) -> list[str]:
    """Leave out folders inside of others; the empty one holds all."""
    kept: list[str] = []
    for folder in sorted(set(folders)):
        if not any(outer == "" or f"{folder}/".startswith(f"{outer}/") for outer in kept):
            kept.append(folder)
    return kept


def _found(commit: str, paths: Iterable[str], sizes: dict[str, HubFile]) -> FoundFiles:
    return FoundFiles(commit=commit, files=[sizes[path] for path in paths])
