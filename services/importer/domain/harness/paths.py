"""Which files of a repository hold results, and what their names tell."""

import re
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from posixpath import basename, dirname

from servicekit.errors import Kind, ServiceError

LISTED_FILES_MAX = 50  # of those found when nobody says how many
NAMED_FILES_MAX = 100

_SAMPLES = re.compile(r"samples\.jsonl|samples_.*\.jsonl|.*_samples\.jsonl")
_ENDING = re.compile(r"\.jsonl(\.gz)?$")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d)[-:](\d\d)[-:](\d\d)(\.\d{1,6})?")
_FOLDED = "__"  # what stands in a folder's name for the slash of a model's name


class FileNotInRepo(ServiceError):
    """A file that was named is not in the repository at this revision."""

    kind = Kind.NOT_FOUND
    reason = "FILE_NOT_IN_REPO"

    def __init__(self, path: str) -> None:
        super().__init__(f"the repository has no file {path}", path=path, param="source.files")


def is_samples_file(path: str) -> bool:
    """Tell whether a path's name is one that a samples file has, compressed or not."""
    return _SAMPLES.fullmatch(basename(path).removesuffix(".gz")) is not None


def is_results_file(path: str) -> bool:
    """Tell whether a path's name is one that a file of aggregated results has."""
    name = basename(path)
    return name.startswith("results") and name.endswith(".json")


def flat(folder: str) -> str:
    """Return a folder's name as it is when each slash is folded; what else is folded stays."""
    return folder.replace("/", _FOLDED)


def chosen_files(paths: Collection[str], *, prefix: str, named: Sequence[str]) -> list[str]:
    """Return the files to import, before any cap: those named, else those found below `prefix`.

    Raises:
        FileNotInRepo: one that is named is not among `paths`.
    """
    if named:
        for path in named:
            if path not in paths:
                raise FileNotInRepo(path)
        return list(dict.fromkeys(named))
    found = [path for path in paths if path.startswith(prefix) and is_samples_file(path)]
    return sorted(found, key=str.encode)


def cap_of(limit: int, *, named: bool) -> int:
    """Return how many files are imported at most; `limit` is 0 when nobody said."""
    return limit or (NAMED_FILES_MAX if named else LISTED_FILES_MAX)


def task_in_name(path: str) -> str:
    """Return the task that a name with a date tells; empty when it tells none."""
    first, _, last = _stem(path).partition("_")
    task, _, moment = last.rpartition("_")
    return task if first and _moment(moment) else ""


def task_of_name(path: str) -> str:
    """Return what is best taken for the task when neither name nor rows tell it."""
    if is_bare(path):
        return basename(dirname(path))
    return _stem(path).removeprefix("samples_").removesuffix("_samples")


def is_bare(path: str) -> bool:
    """Tell whether the file is called just `samples`."""
    return _stem(path) == "samples"


def time_of(path: str) -> datetime | None:
    """Return the moment in a file's name, taken as UTC."""
    found = _MOMENT.search(basename(path))
    return _moment(found.group()) if found else None


def model_of_folder(path: str, *, prefix: str, above: bool) -> str:
    """Return what is best taken for the model when nothing but the path tells it.

    Args:
        path: of the samples file.
        prefix: under which it was looked for.
        above: the file's own folder stands for its task.
    """
    folder = dirname(dirname(path)) if above else dirname(path)
    for part in reversed(folder.split("/")):
        if _FOLDED in part:
            return part.replace(_FOLDED, "/")
    inner = f"{folder}/".removeprefix(prefix).strip("/") if prefix else folder
    return inner or folder


def results_files(path: str, paths: Collection[str]) -> Iterator[str]:
    """Yield the aggregated files that may belong to a samples file, the best first.

    It stands in the same folder, or where the hub puts it: in that of the model's real name.
    """
    folder = dirname(path)
    moment = _MOMENT.search(basename(path))
    for place in dict.fromkeys((folder, _unfolded(folder))):
        inside = f"{place}/" if place else ""
        if moment and f"{inside}results_{moment.group()}.json" in paths:
            yield f"{inside}results_{moment.group()}.json"
    beside = [found for found in paths if dirname(found) == folder and is_results_file(found)]
    if len(beside) == 1:
        yield beside[0]


def _unfolded(folder: str) -> str:
    above, _, last = folder.rpartition("/")
    real = last.replace(_FOLDED, "/")
    return f"{above}/{real}" if above else real


def _stem(path: str) -> str:
    return _ENDING.sub("", basename(path))


def _moment(text: str) -> datetime | None:
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    day, hour, minute, second, fraction = found.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{hour}:{minute}:{second}")
    except ValueError:
        return None
    micros = int((fraction or ".0")[1:].ljust(6, "0"))
    return moment.replace(microsecond=micros, tzinfo=UTC)
