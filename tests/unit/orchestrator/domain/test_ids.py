from uuid import uuid4

import pytest

from orchestrator.domain.ids import (
    ArtifactKind,
    IdPrefix,
    artifact_file_id,
    is_id,
    sample_id,
    sample_key,
)

RUN = f"eval_run_{uuid4().hex}"


def test_a_sample_has_the_same_id_however_often_it_is_made() -> None:
    assert sample_key(RUN, 1, 2, 3) == sample_key(RUN, 1, 2, 3)


def test_places_that_read_alike_have_different_samples() -> None:
    assert sample_key(RUN, 1, 12, 3) != sample_key(RUN, 11, 2, 3)


def test_a_sample_id_is_one() -> None:
    assert is_id(sample_id(sample_key(RUN, 0, 0, 0)), IdPrefix.SAMPLE)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "eval_run",
        "eval_run_",
        f"eval_suite_{'0' * 32}",
        f"eval_run_{'0' * 31}",
        f"eval_run_{'0' * 33}",
        f"eval_run_{'G' * 32}",
        f"eval_run_{'0' * 31}\x00",
        f"eval_run_{'0' * 32}\n",
    ],
)
def test_what_cannot_be_a_run_id_is_told(value: str) -> None:
    assert not is_id(value, IdPrefix.RUN)
    assert is_id(RUN, IdPrefix.RUN)


def test_each_edition_of_a_run_has_its_own_artifacts() -> None:
    ids = {artifact_file_id(RUN, kind, edition) for kind in ArtifactKind for edition in (0, 1)}

    assert len(ids) == 4
    assert all(file_id.startswith("file_") and len(file_id) == 37 for file_id in ids)
