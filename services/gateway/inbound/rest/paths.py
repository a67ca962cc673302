"""How a place in a request is written for people: `models[2]`, `generation.stop[0]`."""

from collections.abc import Sequence

from manifest import problem


def path_of(location: Sequence[str | int]) -> str:
    """The location as a path; empty for the body as a whole."""
    return problem.path_of("", location).removeprefix(".")
