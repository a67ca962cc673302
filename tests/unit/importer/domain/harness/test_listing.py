"""Which files of a repository are kept, and how many."""

import pytest

from importer.domain.harness import listing
from importer.domain.harness.listing import Listing, TooManyFiles
from importer.domain.harness.paths import chosen_files, results_files

MOMENT = "2026-10-09T00-14-03.525271"


def listed(*paths: str, prefix: str = "", named: tuple[str, ...] = ()) -> Listing:
    found = Listing(prefix=prefix, named=named)
    for path in paths:
        found.add(path, len(path))
    return found


def test_only_files_of_samples_and_results_are_kept() -> None:
    found = listed("README.md", "m/samples_a.jsonl", "m/results_b.json", "m/data.jsonl")

    assert found.sizes == {"m/samples_a.jsonl": 17, "m/results_b.json": 16}


def test_what_does_not_matter_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "FILES_MAX", 2)
    others = [f"data/{number}.jsonl" for number in range(9)]
    elsewhere = [f"b/{number}_samples.jsonl" for number in range(9)]
    elsewhere += [f"b/results_{number}.json" for number in range(9)]

    found = listed(*others, *elsewhere, "a/x_samples.jsonl", "a/results.json", prefix="a/")
    named = listed(*others, *elsewhere, "a/x.jsonl", "a/results.json", named=("a/x.jsonl",))

    assert list(found.sizes) == ["a/x_samples.jsonl", "a/results.json"]
    assert list(named.sizes) == ["a/x.jsonl", "a/results.json"]


@pytest.mark.parametrize(("count", "length"), [(4, 20), (2, 40)], ids=["number", "length"])
def test_more_than_an_import_looks_at_is_refused(
    monkeypatch: pytest.MonkeyPatch, count: int, length: int
) -> None:
    monkeypatch.setattr(listing, "FILES_MAX", 3)
    monkeypatch.setattr(listing, "CHARS_MAX", 79)
    paths = [f"{number}_samples.jsonl".rjust(length, "m") for number in range(count)]

    listed(*paths[:-1])
    with pytest.raises(TooManyFiles, match="path_prefix"):
        listed(*paths)


def test_a_file_that_comes_twice_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "FILES_MAX", 1)

    assert len(listed("samples.jsonl", "samples.jsonl").sizes) == 1


@pytest.mark.parametrize(
    "path",
    [
        "m/\0_samples.jsonl",
        "m/\n_samples.jsonl",
        "../samples.jsonl",
        "m\\samples.jsonl",
        "\udc80_samples.jsonl",
        f"{'ä' * 1_020}_samples.jsonl",
    ],
    ids=ascii,
)
def test_a_path_that_could_not_be_kept_is_not_found(path: str) -> None:
    assert not listed(path).sizes
    assert not listed(path, named=(path,)).sizes


@pytest.mark.parametrize("prefix", ["", "org__", "org__model/", "org__model/samples_"])
def test_the_results_of_a_model_are_found_where_the_hub_puts_them(prefix: str) -> None:
    samples = f"org__model/samples_t_{MOMENT}.jsonl"
    results = f"org/model/results_{MOMENT}.json"

    for found in (
        listed(samples, results, prefix=prefix),
        listed(samples, results, named=(samples,)),
    ):
        assert chosen_files(found.sizes, prefix=prefix, named=[]) == [samples]
        assert list(results_files(samples, found.sizes)) == [results]
