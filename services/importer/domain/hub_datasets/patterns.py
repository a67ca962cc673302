"""File patterns: `*` and `?` within a folder, `**` for any folders, `[...]` for one character."""

from collections.abc import Collection, Iterator, Sequence

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
    return pattern == "**" or _name_matches(list(_parts(pattern)), step)


def _name_matches(parts: Sequence[str], name: str) -> bool:
    """Compare without regular expressions, which a stranger's pattern could make slow.

    Only the last star is ever tried again, so the work is at most the product of both lengths.
    """
    place = at = 0
    star, retry = -1, 0
    while at < len(name):
        if place < len(parts) and parts[place] == "*":
            star, retry, place = place, at, place + 1
        elif place < len(parts) and _character_matches(parts[place], name[at]):
            place, at = place + 1, at + 1
        elif star >= 0:
            place, retry = star + 1, retry + 1
            at = retry
        else:
            return False
    return all(part == "*" for part in parts[place:])


def _character_matches(part: str, character: str) -> bool:
    if len(part) == 1:
        return part in ("?", character)
    inside = part[1:-1]
    negated = inside.startswith("!")
    inside = inside.removeprefix("!")
    ranges = (
        inside[at] <= character <= inside[at + 2]
        for at in range(len(inside) - 2)
        if inside[at + 1] == "-"
    )
    return (character in inside or any(ranges)) is not negated


def _parts(pattern: str) -> Iterator[str]:
    """Yield stars, single characters, and `[...]` as a whole; an open bracket is a character."""
    at = 0
    while at < len(pattern):
        end = pattern.find("]", at + 2) if pattern[at] == "[" else -1
        yield pattern[at : end + 1] if end > 0 else pattern[at]
        at = end + 1 if end > 0 else at + 1
