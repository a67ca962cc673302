from pathlib import Path
from typing import Any

import pytest

from manifest.schema import Manifest

PAGE = Path(__file__).parents[3] / "docs" / "manifest.md"
DOCUMENT = Manifest.model_json_schema()
PARTS: dict[str, dict[str, Any]] = {"Manifest": DOCUMENT} | {
    name: part for name, part in DOCUMENT["$defs"].items() if "properties" in part
}


MEMBERS = [(part, name) for part, schema in PARTS.items() for name in schema["properties"]]


def test_each_part_requires_what_a_manifest_must_have() -> None:
    assert {name: part.get("required", []) for name, part in PARTS.items()} == {
        "Manifest": ["tasks"],
        "Task": ["id", "type", "dataset"],
        "Embedding": ["kind"],
        "Dataset": [],
        "Fewshot": [],
        "Preprocessor": ["type"],
        "Metric": ["id"],
        "Grader": ["type"],
        "NoExtraction": ["type"],
        "TakeFirst": ["type"],
        "Pattern": ["type", "pattern"],
        "LabelSet": ["type", "labels"],
        "Number": ["type"],
    }


def test_what_is_required_is_never_null() -> None:
    for part in PARTS.values():
        for name in part.get("required", []):
            member = part["properties"][name]
            assert {"type": "null"} not in member.get("anyOf", [])
            assert "default" not in member


def test_a_default_that_follows_from_another_field_is_not_promised() -> None:
    assert "default" not in PARTS["Grader"]["properties"]["model_access"]


def test_a_metric_may_be_a_bare_text() -> None:
    entries = PARTS["Task"]["properties"]["metrics"]["anyOf"][0]["items"]

    assert {kind.get("type", "object") for kind in entries["anyOf"]} == {"string", "object"}


@pytest.mark.parametrize(("part", "name"), MEMBERS)
def test_every_field_has_a_sentence_in_the_document(part: str, name: str) -> None:
    assert PARTS[part]["properties"][name]["description"].endswith(".")


@pytest.mark.parametrize(("part", "name"), MEMBERS)
def test_every_field_has_a_row_on_the_page(part: str, name: str) -> None:
    sentence = " ".join(PARTS[part]["properties"][name]["description"].split())

    rows = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| `{name}`")]
    assert any(sentence in row for row in rows)
