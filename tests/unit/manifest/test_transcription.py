import json

import pytest

from manifest.parsing import ManifestInvalid, parse_manifest
from manifest.schema import Task, normalised_json

TASK: dict[str, object] = {
    "id": "t",
    "type": "transcription",
    "dataset": {"file_id": "file_1", "audio_column": "clip"},
    "language": "uk",
    "grader": {"type": "python", "source": "def grade(sample, item): return 1"},
}


def parsed(**changes: object) -> Task:
    manifest = parse_manifest(json.dumps({"tasks": [TASK | changes]}).encode())
    return manifest.tasks[0]


def problems(**changes: object) -> list[str]:
    with pytest.raises(ManifestInvalid) as refused:
        parsed(**changes)
    return [violation.message for violation in refused.value.violations]


def test_a_transcription_needs_no_prompt_and_may_have_one() -> None:
    assert parsed().prompt_template is None
    assert parsed(prompt_template="Names: {{names}}").prompt_template == "Names: {{names}}"


def test_its_normalised_manifest_parses_to_an_equal_one() -> None:
    manifest = parse_manifest(json.dumps({"tasks": [TASK | {"fewshot": {"count": 0}}]}).encode())

    assert parse_manifest(normalised_json(manifest)) == manifest


def test_it_needs_a_grader_and_a_column_with_audio() -> None:
    assert problems(grader=None, dataset={"file_id": "file_1"}) == [
        "manifest.tasks[0].grader is required",
        'manifest.tasks[0].dataset.audio_column is required for tasks of the type "transcription"',
    ]


@pytest.mark.parametrize("language", ["uk", "ukr", "en-US", "zh-Hans-CN", "sl-rozaj-biske-1994"])
def test_codes_of_languages_are_taken(language: str) -> None:
    assert parsed(language=language).language == language


@pytest.mark.parametrize(
    "language", ["English", "e", "en_US", "en-", "*", "uk\n", "en" + "-a" * 17]
)
def test_what_is_no_code_of_a_language_is_refused(language: str) -> None:
    [problem] = problems(language=language)

    assert problem == "manifest.tasks[0].language must be a BCP 47 or ISO 639 code, such as `uk`"


@pytest.mark.parametrize("place", [{"num_fewshot": 2}, {"fewshot": {"count": 2}}])
def test_worked_examples_cannot_be_given_with_speech(place: dict[str, object]) -> None:
    [problem] = problems(target_template="{{text}}", **place)

    assert problem.endswith('has no use in a task of the type "transcription"')


def test_an_embedding_section_is_refused() -> None:
    [problem] = problems(embedding={"kind": "sts"})

    assert problem.startswith("manifest.tasks[0].embedding is only for tasks")


def test_other_types_may_name_their_column_with_audio_and_any_language() -> None:
    task = parsed(type="qa", prompt_template="{{q}}", language="English")

    assert task.dataset.audio_column == "clip"
