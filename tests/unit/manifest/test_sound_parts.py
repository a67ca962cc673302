"""A manifest with broken rules still shows its programs and files."""

import json

import pytest

from manifest.parsing import ManifestInvalid, parse_manifest
from manifest.programs import programs
from manifest.references import referenced_files
from manifest.schema import Manifest

GOOD = {
    "id": "good",
    "type": "qa",
    "dataset": {"file_id": "file_1"},
    "prompt_template": "{{q}}",
    "grader": {"type": "python", "source": "def grade(): ..."},
}


def sound(*tasks: object) -> Manifest:
    with pytest.raises(ManifestInvalid) as refused:
        parse_manifest(json.dumps({"tasks": tasks}).encode())
    assert refused.value.sound is not None
    return refused.value.sound


def test_programs_of_the_other_tasks_are_there_under_their_own_index() -> None:
    parts = sound({"id": 1}, GOOD, "no task at all")

    assert [program.path for program in programs(parts)] == [
        "manifest.tasks[1].prompt_template",
        "manifest.tasks[1].grader.source",
    ]
    assert [file.path for file in referenced_files(parts)] == ["manifest.tasks[1].dataset.file_id"]


def test_a_section_with_one_bad_field_keeps_its_other_fields() -> None:
    grader = {"type": "python", "source": "def grade(): ...", "timeout_seconds": 1000}

    parts = sound(GOOD | {"grader": grader, "type": "transcription", "unknown": 1})

    assert [program.source for program in programs(parts)] == ["{{q}}", "def grade(): ..."]
    assert [file.file_id for file in referenced_files(parts)] == ["file_1"]


def test_fields_that_break_a_rule_themselves_are_left_out() -> None:
    parts = sound(GOOD | {"prompt_template": 7, "dataset": {"file_id": 3}, "choices": ["one"]})

    assert [program.path for program in programs(parts)] == ["manifest.tasks[0].grader.source"]
    assert referenced_files(parts) == []


def test_a_document_that_cannot_be_read_has_no_parts() -> None:
    with pytest.raises(ManifestInvalid) as refused:
        parse_manifest(b"{")

    assert refused.value.sound is None
