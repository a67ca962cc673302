"""File patterns: `*` and `?` within a folder, `**` for any folders, `[...]` for one character."""

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase

_MAGIC = frozenset("*?[")
PATTERN_CHARS_MAX = 1_024


def folder_of(pattern: str) -> str:
    """Return the folder that holds whatever a pattern can match; empty for the whole repository."""
    steps = _steps(pattern)[:-1]
    plain = next((at for at, step in enumerate(steps) if _MAGIC & set(step)), len(steps))
    return "/".join(steps[:plain])


def is_plain(pattern: str) -> bool:
    """Tell whether a pattern is just the path of a file."""
    return not _MAGIC & set(pattern)


def matching(pattern: str, paths: Collection[str]) -> list[str]:
    """Return the paths that a pattern matches, sorted.

    Names that begin with a dot or two underscores are only matched by patterns that begin so.
    """
    steps = _steps(pattern)
    if is_plain(pattern):
        plain = "/".join(steps)
        return [plain] if plain in paths else []
    return sorted(path for path in paths if _matches(steps, path.split("/")))


def _steps(pattern: str) -> list[str]:
    return [step for step in pattern.split("/") if step not in ("", ".")]


def _matches(pattern: Sequence[str], steps: Sequence[str]) -> bool:
    """Compare step by step, without going back: `reached` holds every place in the pattern."""
    reached = _over_stars({0}, pattern)
    for step in steps:
        following = set()
        for place in reached:
            if place < len(pattern) and _step_matches(pattern[place], step):
                following.add(place if pattern[place] == "**" else place + 1)
        reached = _over_stars(following, pattern)
    # A `**` at the end takes files, not the folder itself.
    return len(pattern) in reached


def _over_stars(reached: set[int], pattern: Sequence[str]) -> set[int]:
    for place in sorted(reached):
        while place < len(pattern) and pattern[place] == "**":
            place += 1  # noqa: PLW2901 - walks on over stars that take no folder
            reached.add(place)
    return reached


def _step_matches(pattern: str, step: str) -> bool:
    for hidden in (".", "__"):
        if step.startswith(hidden) and not pattern.startswith(hidden):
            return False
    # The standard library's translation never tries a star twice, so no name can be slow.
    return pattern == "**" or fnmatchcase(step, pattern)
