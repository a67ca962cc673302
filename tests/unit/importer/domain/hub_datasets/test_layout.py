import pytest

from importer.domain.hub_datasets.layout import exported, splits_by_layout, synonyms


@pytest.mark.parametrize(
    ("paths", "splits"),
    [
        (
            ["data/x-00000-of-00001.csv", "data/train-00000-of-00001.csv", "test.csv"],
            {"x": ["data/x-00000-of-00001.csv"], "train": ["data/train-00000-of-00001.csv"]},
        ),
        (["train/a.csv", "dev/b.csv"], {"train": ["train/a.csv"], "validation": ["dev/b.csv"]}),
        (["x/test_1/a.csv", "train.csv"], {"test": ["x/test_1/a.csv"]}),
        (["my-eval.csv", "training.csv"], {"test": ["my-eval.csv"], "train": ["training.csv"]}),
        (["latest.csv", "b.csv"], {"train": ["b.csv", "latest.csv"]}),
        (["test.py", "a.jsonl", "LICENSE"], {"train": ["a.jsonl"]}),
        (["a.csv", "b.csv", "c.json"], {"train": ["a.csv", "b.csv"]}),
        (["a.csv", "a.parquet"], {"train": ["a.parquet"]}),
        (["dataset_infos.json", ".x.csv"], {}),
    ],
)  # fmt: skip
def test_the_first_way_that_tells_a_split_decides(
    paths: list[str], splits: dict[str, list[str]]
) -> None:
    assert splits_by_layout(paths) == splits


def test_a_folder_of_its_own_is_looked_at_alone() -> None:
    assert splits_by_layout(["en/test.csv", "test.csv", "english.csv"], "en") == {
        "test": ["en/test.csv"]
    }


def test_the_export_is_sorted_by_config_and_split() -> None:
    paths = ["b/train/0001.parquet", "b/train/0000.parquet", "a/partial-test/0000.parquet", "x.md"]

    assert exported(paths) == {
        "a": {"test": ["a/partial-test/0000.parquet"]},
        "b": {"train": ["b/train/0000.parquet", "b/train/0001.parquet"]},
    }


def test_words_for_the_same_split_begin_with_the_one_asked_for() -> None:
    assert synonyms("dev") == ["dev", "validation", "valid", "val"]
    assert synonyms("mine") == ["mine"]
