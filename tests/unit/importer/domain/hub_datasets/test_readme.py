import time

import pytest

from importer.domain.dataset import DatasetError
from importer.domain.hub_datasets.card import Config
from importer.domain.hub_datasets.readme import configs_in


def readme(configs: str) -> bytes:
    return f"---\nlicense: mit\nconfigs:{configs}\ndataset_info: [1]\n---\n# Words\n".encode()


def test_data_files_may_be_one_or_many_with_or_without_splits() -> None:
    declared = """
- config_name: one
  data_files: "*.csv"
- config_name: 2020
  default: true
  data_dir: folder/
  data_files:
  - split: test
    path: [a.csv, b.csv]
  - split: test
    path: c.csv
- config_name: dict
  data_files: {train: x.csv, test: [y.csv]}
- data_dir: d
"""

    assert configs_in(readme(declared)) == [
        Config(name="one", patterns={"train": ("*.csv",)}),
        Config(
            name="2020",
            patterns={"test": ("folder/a.csv", "folder/b.csv", "folder/c.csv")},
            folder="folder",
            is_default=True,
        ),
        Config(name="dict", patterns={"train": ("x.csv",), "test": ("y.csv",)}),
        Config(name="default", folder="d"),
    ]


@pytest.mark.parametrize(
    "text",
    [b"", b"# no metadata\n", b"---\nlicense: mit\n---\n", b"\xff\xfe", b"---\nconfigs: 3\n---\n"],
)
def test_a_readme_that_says_nothing_of_configs_declares_none(text: bytes) -> None:
    assert configs_in(text) == []


@pytest.mark.parametrize(
    "configs",
    [
        " {a",
        " &x\n- config_name: a\n- *x",
        " " + "[" * 5_000,
        "\n- config_name: " + "1" * 5_000,
        "\n" + "- config_name: abcdefghij\n" * 50_000,
    ],
)
def test_what_is_broken_or_a_trap_is_refused_and_soon(configs: str) -> None:
    begin = time.perf_counter()

    with pytest.raises(DatasetError, match="give `data_files`"):
        configs_in(readme(configs))

    assert time.perf_counter() - begin < 5


def test_what_stands_beside_the_configs_is_not_read() -> None:
    text = b"---\nbroken: {{\nconfigs:\n- config_name: a\nalso: *broken\n---\n"

    assert [config.name for config in configs_in(text)] == ["a"]
