import time

import pytest

from importer.domain.hub_datasets.patterns import folder_of, matching

PATHS = frozenset(
    {"a.csv", "d/b.csv", "d/e/c.csv", "d/.h.csv", ".git/x.csv", "d/__pycache__/y.csv", "d/b.json"}
)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("a.csv", ["a.csv"]),
        ("./a.csv", ["a.csv"]),
        ("none.csv", []),
        ("*.csv", ["a.csv"]),
        ("d/*.csv", ["d/b.csv"]),
        ("d/?.json", ["d/b.json"]),
        ("d/[a-b].*", ["d/b.csv", "d/b.json"]),
        ("**/*.csv", ["a.csv", "d/b.csv", "d/e/c.csv"]),
        ("d/**", ["d/b.csv", "d/b.json", "d/e/c.csv"]),
        ("d/**/c.csv", ["d/e/c.csv"]),
        ("**/e/**/*.csv", ["d/e/c.csv"]),
        ("d/.*", ["d/.h.csv"]),
        ("d/__*/*", ["d/__pycache__/y.csv"]),
        ("d", []),
    ],
)
def test_a_pattern_matches_files_and_no_hidden_ones_unless_it_says_so(
    pattern: str, found: list[str]
) -> None:
    assert matching(pattern, PATHS) == found


@pytest.mark.parametrize(
    ("pattern", "folder"),
    [("a.csv", ""), ("d/e/*.csv", "d/e"), ("d/*/e/x.csv", "d"), ("**/x", ""), ("d/x.csv", "d")],
)
def test_only_the_folder_before_the_first_star_must_be_listed(pattern: str, folder: str) -> None:
    assert folder_of(pattern) == folder


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("train-[0-9]*", "train-00001-of-2", True),
        ("train-[0-9]*", "train-a", False),
        ("[!a-c]x", "dx", True),
        ("[!a-c]x", "bx", False),
        ("[]]", "]", True),
        ("a[b", "a[b", True),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*c", "a-c-b", False),
        ("*", "anything", True),
        ("a?", "a", False),
    ],
)
def test_stars_and_brackets_within_a_name(pattern: str, name: str, *, matches: bool) -> None:
    assert bool(matching(pattern, {name})) is matches


def test_no_pattern_is_slow() -> None:
    begin = time.perf_counter()

    assert matching("*a" * 60 + "b", {"a" * 250}) == []
    assert matching("/".join(["**", "*a*"] * 100) + "/b", {"/".join(["aa"] * 200)}) == []

    assert time.perf_counter() - begin < 2
