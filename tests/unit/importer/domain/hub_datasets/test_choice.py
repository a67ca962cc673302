import pytest

from importer.domain.dataset import DatasetError
from importer.domain.hub_datasets.card import Config
from importer.domain.hub_datasets.choice import chosen_config, chosen_split, listed


def configs(*names: str, default: str = "") -> list[Config]:
    return [Config(name=name, is_default=name == default) for name in names]


@pytest.mark.parametrize(
    ("there", "name", "chosen"),
    [
        (configs("a"), None, "a"),
        (configs("a", "default"), None, "default"),
        (configs("a", "default", default="a"), None, "a"),
        (configs("a", "b"), "b", "b"),
    ],
)
def test_a_config_is_the_named_the_default_or_the_only_one(
    there: list[Config], name: str | None, chosen: str
) -> None:
    assert chosen_config(there, name).name == chosen


def test_several_configs_without_a_default_are_listed() -> None:
    with pytest.raises(DatasetError, match=r"give `name`, one of a, b$") as refused:
        chosen_config(configs("b", "a"), None)
    with pytest.raises(DatasetError, match=r"no config 'c'; there are: a, b$"):
        chosen_config(configs("b", "a"), "c")

    assert refused.value.metadata["param"] == "name"


@pytest.mark.parametrize(
    ("there", "name", "chosen"),
    [
        (["train", "validation", "test"], None, "test"),
        (["train", "val"], None, "val"),
        (["train", "dev"], None, "dev"),
        (["train", "extra"], None, "train"),
        (["extra"], None, "extra"),
        (["train", "validation"], "dev", "validation"),
        (["validation", "dev"], "dev", "dev"),
    ],
)
def test_a_split_is_the_named_or_the_first_there_is(
    there: list[str], name: str | None, chosen: str
) -> None:
    assert chosen_split(there, name) == chosen


def test_a_split_that_cannot_be_told_is_asked_for() -> None:
    with pytest.raises(DatasetError, match=r"give `split`, one of a, b$"):
        chosen_split(["b", "a"], None)
    with pytest.raises(DatasetError, match=r"no split 'test'; there are: a$"):
        chosen_split(["a"], "test")


def test_a_long_list_is_cut() -> None:
    said = listed(f"{n:03}{'x' * 100}" for n in range(30))

    assert said.endswith("and 10 more")
    assert len(said) < 2_000
