import pytest

from importer.domain.file import (
    InvalidFileId,
    InvalidFilename,
    InvalidPurpose,
    Purpose,
    new_file,
)


@pytest.mark.parametrize("name", ["a.jsonl", "Blob", "ünïcode 1.csv", "x" * 255, ".hidden"])
def test_a_usable_name_is_kept_as_it_is(name: str) -> None:
    assert new_file(filename=name, purpose="evals").filename == name


@pytest.mark.parametrize(
    "name", ["", "  ", "blob", ".", "..", "a/b", "a\\b", "x" * 256, "a\nb", "a\x00b"]
)
def test_a_name_that_cannot_be_used_is_refused(name: str) -> None:
    with pytest.raises(InvalidFilename) as refusal:
        new_file(filename=name, purpose="evals")

    assert refusal.value.metadata["param"] == "file"


@pytest.mark.parametrize(
    "word", ["assistants", "batch", "evals", "fine-tune", "user_data", "vision"]
)
def test_every_purpose_of_the_contract_is_known(word: str) -> None:
    assert new_file(filename="a", purpose=word).purpose == Purpose(word)


@pytest.mark.parametrize("word", ["", "EVALS", "evals ", "fine_tune"])
def test_another_purpose_is_refused(word: str) -> None:
    with pytest.raises(InvalidPurpose):
        new_file(filename="a", purpose=word)


def test_a_chosen_id_has_the_form_of_ours() -> None:
    file_id = f"file_{'0a' * 16}"

    assert new_file(filename="a", purpose="evals", file_id=file_id).id == file_id
    for wrong in ("file_1", f"file_{'0A' * 16}", f"{file_id}0", f"x{file_id}"):
        with pytest.raises(InvalidFileId):
            new_file(filename="a", purpose="evals", file_id=wrong)
