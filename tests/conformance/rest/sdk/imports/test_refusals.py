"""Imports that are refused."""

import json
from typing import Any

import pytest

from conformance.rest.importing import TOKEN, Importing, refusal
from hub.harness import jsonl, simplified
from servicekit.ids import new_id

pytestmark = pytest.mark.timeout(240)  # a loaded machine may take a while to start a stack


def test_what_cannot_be_imported_is_refused_with_its_reason(importing: Importing) -> None:
    importing.put({"m/one_samples.jsonl": jsonl([simplified(0, 1.0)])})
    source = {"repo": importing.repo}

    def asked(held: str = TOKEN, **body: Any) -> tuple[int, str, str | None]:
        return refusal(importing.post({"suite_name": new_id("name"), **body}, token=held))

    header = "X-HuggingFace-Token"
    assert asked(held="") == (400, "missing_huggingface_token", header)
    assert asked(held="a b") == (400, "invalid_huggingface_token", header)
    assert asked(held="hf_unknown")[:2] == (403, "huggingface_forbidden")
    nowhere = {"repo": "owner/nothing"}
    assert asked(source=nowhere)[:2] == (404, "huggingface_not_found")
    assert asked(source={**source, "revision": "no-such"})[:2] == (404, "huggingface_not_found")
    missing = {**source, "files": ["m/one_samples.jsonl", "m/two_samples.jsonl"]}
    assert asked(source=missing) == (404, "file_not_in_repo", "source.files")
    for path in ("/m/a.jsonl", "m/../a.jsonl", "m\\a.jsonl"):
        found = asked(source={**source, "files": [path]})
        assert found == (400, "invalid_path", "source.files[0]")
    assert asked(source={"repo": "no-owner"})[::2] == (400, "source.repo")
    assert asked(source={**source, "files": []})[::2] == (400, "source.files")
    assert asked(source={**source, "type": "s3"})[::2] == (400, "source.type")
    assert asked(limit_files=101)[::2] == (400, "limit_files")
    assert asked(suite_name="")[::2] == (400, "suite_name")
    assert asked(create_missing_tasks=False)[:2] == (400, "no_suite_to_reuse")


def test_a_repository_whose_paths_are_too_much_is_refused(importing: Importing) -> None:
    importing.put({"m/one_samples.jsonl": jsonl([simplified(0, 1.0)])})
    folder = "/".join(["f" * 240] * 8)
    for page in range(3):
        paths = (f"m/{page}/{number}/{folder}/a_samples.jsonl" for number in range(6_000))
        listed = [{"type": "file", "path": path, "size": 1} for path in paths]
        following = f"{importing.hub.url}/api/datasets/{importing.repo}/tree/main?cursor={page}"
        link = {"Link": f'<{following}>; rel="next"'}
        importing.hub.trouble("/tree/", status=200, body=json.dumps(listed).encode(), headers=link)

    refused = refusal(importing.post({}))

    assert refused == (400, "too_many_files", "source.path_prefix")
    assert importing.files({}) == {"m/one_samples.jsonl": ("imported", None)}


def test_a_gated_repository_is_forbidden(importing: Importing) -> None:
    repo = f"owner/{new_id('gated')}"
    importing.hub.add(repo, {"m/one_samples.jsonl": b""}, gated=True)
    assert refusal(importing.post({"source": {"repo": repo}}))[:2] == (403, "huggingface_forbidden")


def test_a_hub_that_is_away_is_a_502_and_leaves_nothing(importing: Importing) -> None:
    importing.put({"m/one_samples.jsonl": jsonl([simplified(0, 1.0)])})
    importing.hub.down = True

    answer = importing.post({})
    importing.hub.down = False
    with importing.sdk() as sdk:
        suites = sdk.llm.evals.list_suites().data

    assert refusal(answer)[:2] == (502, "huggingface_unavailable")
    assert suites == []


def test_a_hub_that_answers_nonsense_is_a_502(importing: Importing) -> None:
    importing.put({"m/one_samples.jsonl": jsonl([simplified(0, 1.0)])})
    part = f"{importing.repo}/revision"
    importing.hub.trouble(part, status=302, headers={"Location": "https://host:99999999/x"})

    assert refusal(importing.post({}))[:2] == (502, "huggingface_answer_invalid")
