import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import JsonValue

from cli.errors import NothingGraded
from cli.trials.program import Choices, trial_program

SOURCE = "def grade(sample, item):\n    return 1\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(SOURCE)
    return path


def choices(
    file: Path | None = None,
    *,
    manifest: Path | None = None,
    task_id: str | None = None,
    settings: Mapping[str, JsonValue] | None = None,
    extraction: str | None = None,
) -> Choices:
    return Choices(
        file=file,
        manifest=manifest,
        task_id=task_id,
        settings=settings or {},
        extraction=extraction,
    )


def manifest_in(folder: Path, *graders: JsonValue, wrapped: bool = False) -> Path:
    """A manifest, or a suite file around it, with a task for each grader: t0, t1 and so on."""
    tasks: list[JsonValue] = [
        {
            "id": f"t{number}",
            "type": "custom",
            "dataset": {"file_id": "@rows.jsonl"},
            "prompt_template": "{{ q }}",
            "output_extraction": {"type": "number"},
            "grader": grader,
        }
        for number, grader in enumerate(graders)
    ]
    manifest: JsonValue = {"tasks": tasks}
    path = folder / "suite.json"
    path.write_text(json.dumps({"name": "s", "manifest": manifest} if wrapped else manifest))
    return path


def test_settings_left_out_are_those_of_a_manifest(file: Path) -> None:
    grader = trial_program(choices(file)).grader

    assert (grader.contract, grader.execution, grader.model_access) == (
        "sample",
        "per_sample",
        "none",
    )
    assert (grader.timeout_seconds, grader.max_model_calls, grader.metric_id) == (120, 64, "score")
    assert grader.source == SOURCE


def test_what_follows_from_the_contract_follows_here_too(file: Path) -> None:
    batch = trial_program(choices(file, settings={"contract": "batch"})).grader
    judge = trial_program(choices(file, settings={"contract": "model_backed"})).grader

    assert batch.execution == "aggregate"
    assert (judge.execution, judge.model_access) == (None, "mka1")


def test_every_broken_setting_is_named(file: Path) -> None:
    settings: dict[str, JsonValue] = {"timeout_seconds": 601, "max_model_calls": -1}

    with pytest.raises(NothingGraded) as refused:
        trial_program(choices(file, settings=settings))

    assert refused.value.message.startswith("grader.timeout_seconds must be at most 600")
    assert refused.value.details[0].startswith("grader.max_model_calls must be at least 0")


def test_an_extraction_is_checked_like_that_of_a_task(file: Path) -> None:
    good = trial_program(choices(file, extraction='{"type": "take_first"}'))
    with pytest.raises(NothingGraded, match=r"output_extraction\.type must be one of"):
        trial_program(choices(file, extraction='{"type": "last_word"}'))
    with pytest.raises(NothingGraded, match="--extraction is not valid JSON"):
        trial_program(choices(file, extraction="{"))

    assert good.task.output_extraction.type == "take_first"


def test_grader_and_extraction_come_from_the_task_of_a_manifest(tmp_path: Path) -> None:
    graders: list[JsonValue] = [
        {"type": "python", "source": "x = 0"},
        {"type": "python", "source": SOURCE, "metric_id": "acc", "timeout_seconds": 7},
    ]
    for wrapped in (False, True):
        path = manifest_in(tmp_path, *graders, wrapped=wrapped)
        program = trial_program(choices(manifest=path, task_id="t1"))

        assert (program.task.id, program.renders) == ("t1", True)
        assert program.task.output_extraction.type == "number"
        assert (program.grader.metric_id, program.grader.source) == ("acc", SOURCE)


def test_an_option_goes_before_the_manifest(tmp_path: Path, file: Path) -> None:
    path = manifest_in(tmp_path, {"type": "python", "source": "x = 0", "timeout_seconds": 7})

    program = trial_program(
        choices(file, manifest=path, settings={"timeout_seconds": 9}, extraction='{"type": "none"}')
    )

    assert (program.grader.timeout_seconds, program.grader.source) == (9, SOURCE)
    assert program.task.output_extraction.type == "none"


@pytest.mark.parametrize("field", ["source", "file_id"])
def test_a_program_beside_the_manifest_is_read(tmp_path: Path, file: Path, field: str) -> None:
    path = manifest_in(tmp_path, {"type": "python", field: f"@{file.name}"})

    program = trial_program(choices(manifest=path))

    assert (program.grader.source, program.grader.file_id) == (SOURCE, None)
    assert program.filename == "mine.py"


@pytest.mark.parametrize("field", ["source", "file_id"])
def test_a_program_outside_the_folder_of_the_manifest_is_not_read(
    tmp_path: Path, file: Path, field: str
) -> None:
    folder = tmp_path / "suite"
    folder.mkdir()
    (folder / "link.py").symlink_to(file)
    for reference in (f"../{file.name}", "link.py", str(file)):
        path = manifest_in(folder, {"type": "python", field: f"@{reference}"})

        with pytest.raises(NothingGraded) as refused:
            trial_program(choices(manifest=path))

        assert refused.value.message.startswith(
            f"manifest.tasks[0].grader.{field}: @{reference} is not in the folder of the suite"
        )


def test_an_uploaded_program_must_be_given(tmp_path: Path) -> None:
    path = manifest_in(tmp_path, {"type": "python", "file_id": "file_9"})

    with pytest.raises(NothingGraded, match="is the uploaded file file_9: give its FILE"):
        trial_program(choices(manifest=path))


def test_a_task_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    grader: JsonValue = {"type": "python", "source": SOURCE}
    path = manifest_in(tmp_path, grader, grader)

    with pytest.raises(NothingGraded, match="has no task t9; it has: t0, t1"):
        trial_program(choices(manifest=path, task_id="t9"))
    with pytest.raises(NothingGraded, match=r"Say with --task .* is meant: t0, t1"):
        trial_program(choices(manifest=path))


def test_a_problem_of_the_manifest_is_told_with_its_place(tmp_path: Path) -> None:
    good: JsonValue = {"type": "python", "source": SOURCE}
    path = manifest_in(tmp_path, good, {"type": "python", "source": SOURCE, "timeout": 1})

    with pytest.raises(
        NothingGraded, match=r"manifest\.tasks\[1\]\.grader\.timeout is not a known f"
    ):
        trial_program(choices(manifest=path, task_id="t0"))


def test_without_a_program_the_sentence_says_what_to_give() -> None:
    with pytest.raises(NothingGraded, match="Give the grader's FILE, or a task with --manifest"):
        trial_program(choices())


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"\xff", "is not UTF-8 text: byte 0 is wrong"), (b"#" * 2**20 + b"#", "has more than")],
)
def test_a_file_that_cannot_be_a_program_is_refused(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    (tmp_path / "odd.py").write_bytes(content)

    with pytest.raises(NothingGraded, match=sentence):
        trial_program(choices(tmp_path / "odd.py"))
    with pytest.raises(NothingGraded, match="cannot be read"):
        trial_program(choices(tmp_path / "none.py"))
