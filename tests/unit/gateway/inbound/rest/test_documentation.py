import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from gateway.inbound.download import content_type
from unit.gateway.backend.house import House

OPERATIONS = {
    "uploadFile": ("post", "/files"),
    "listFiles": ("get", "/files"),
    "getFile": ("get", "/files/{file_id}"),
    "getFileContent": ("get", "/files/{file_id}/content"),
    "deleteFile": ("delete", "/files/{file_id}"),
    "createEvalSuite": ("post", "/evals/suites"),
    "listEvalSuites": ("get", "/evals/suites"),
    "getEvalSuite": ("get", "/evals/suites/{suite_id}"),
    "deleteEvalSuite": ("delete", "/evals/suites/{suite_id}"),
    "createEvalSuiteVersion": ("post", "/evals/suites/{suite_id}/versions"),
    "listEvalSuiteVersions": ("get", "/evals/suites/{suite_id}/versions"),
    "getEvalSuiteVersion": ("get", "/evals/suites/{suite_id}/versions/{version}"),
    "createEvalRun": ("post", "/evals/runs"),
    "listEvalRuns": ("get", "/evals/runs"),
    "getEvalRun": ("get", "/evals/runs/{run_id}"),
    "deleteEvalRun": ("delete", "/evals/runs/{run_id}"),
    "cancelEvalRun": ("post", "/evals/runs/{run_id}/cancel"),
    "rerunFailedEvalSamples": ("post", "/evals/runs/{run_id}/rerun-failed"),
    "retryFailedEvalRun": ("post", "/evals/runs/{run_id}/retry"),
    "listEvalSamples": ("get", "/evals/runs/{run_id}/samples"),
    "getEvalSampleAudio": ("get", "/evals/runs/{run_id}/samples/{sample_index}/audio"),
    "getEvalArtifacts": ("get", "/evals/runs/{run_id}/artifacts"),
}


@pytest.fixture
async def visitor(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key."""
    transport = httpx.ASGITransport(house.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        yield client


@pytest.fixture
async def document(visitor: httpx.AsyncClient) -> dict[str, Any]:
    answer = await visitor.get("/openapi.json")
    assert answer.status_code == 200
    parsed: dict[str, Any] = answer.json()
    return parsed


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    """All objects of a document."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from nodes(value)
    elif isinstance(node, list):
        for value in node:
            yield from nodes(value)


def test_the_document_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")


def test_each_operation_has_the_contracts_name_and_place(document: dict[str, Any]) -> None:
    found = {
        operation["operationId"]: (method, path.removeprefix("/api/v1/llm"))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }

    assert found == OPERATIONS


def test_each_operation_is_secured_and_tells_its_refusals(document: dict[str, Any]) -> None:
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["security"] == [{"apiKey": []}]
            answers = set(operation["responses"])
            assert {"200", "400", "401", "403", "431", "503", "default"} <= answers
            assert ("408" in answers) == ("requestBody" in operation)
            assert ("413" in answers) == (
                operation["operationId"] in {"uploadFile", "getEvalSampleAudio"}
            )
            assert "422" not in operation["responses"]
            assert operation["summary"]
    assert document["components"]["securitySchemes"]["apiKey"]["scheme"] == "bearer"


def test_every_success_is_200_and_no_other(document: dict[str, Any]) -> None:
    for methods in document["paths"].values():
        for operation in methods.values():
            assert [code for code in operation["responses"] if code[0] == "2"] == ["200"]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    for node in nodes(document):
        if "$ref" in node:
            assert node["$ref"].rpartition("/")[2] in schemas


def test_every_field_of_an_answer_is_promised(document: dict[str, Any]) -> None:
    for name in ("RunObject", "SampleObject", "SuiteObject", "SuiteVersionObject", "FileObject"):
        schema = document["components"]["schemas"][name]
        assert set(schema["required"]) == set(schema["properties"])


def test_bodies_are_described_down_to_the_manifest(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    assert schemas["CreateSuiteBody"]["properties"]["manifest"] == {
        "$ref": "#/components/schemas/Manifest"
    }
    assert schemas["CreateSuiteBody"]["required"] == ["name", "manifest"]
    count = schemas["CreateRunBody"]["properties"]["max_samples_per_task"]["anyOf"][0]
    assert count["minimum"] == 1


def test_bodies_have_examples(document: dict[str, Any]) -> None:
    for methods in document["paths"].values():
        for operation in methods.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                assert content["example"]


def test_a_body_requires_only_what_the_server_requires(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    assert schemas["Manifest"]["required"] == ["tasks"]
    assert "required" not in schemas["Dataset"]
    assert "default" not in schemas["Grader"]["properties"]["model_access"]
    assert schemas["Task"]["required"] == ["id", "type", "dataset"]  # the rest depends on the type


async def test_the_example_of_a_problem_is_what_the_server_says(
    document: dict[str, Any], client: httpx.AsyncClient
) -> None:
    example = document["components"]["schemas"]["Problem"]["example"]

    body = {"suite_id": "s", "models": ["model-a", "model-a"]}
    answer = (await client.post("/evals/runs", json=body)).json()

    own = {"instance", "request_id"}
    assert {k: v for k, v in answer.items() if k not in own} == {
        k: v for k, v in example.items() if k not in own
    }


async def test_the_root_leads_to_the_page(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.get("/")

    assert answer.status_code == 307
    assert answer.headers["location"] == "/docs"


async def test_the_page_asks_no_other_host_for_anything(visitor: httpx.AsyncClient) -> None:
    page = await visitor.get("/docs")

    addresses = re.findall(r"""(?:src|href|url)\s*[=:]\s*["']([^"']+)""", page.text)
    assert page.status_code == 200
    assert addresses
    assert all(address.startswith("/") for address in addresses)
    assert "//" not in page.text.replace("<!--", "").replace("// ", "").split("<body>")[0].replace(
        "<!DOCTYPE", ""
    )
    assert "'self'" in page.headers["content-security-policy"]
    assert "http" not in page.headers["content-security-policy"]
    assert '"validatorUrl": null' in page.text


async def test_all_assets_of_the_page_are_served_by_us(visitor: httpx.AsyncClient) -> None:
    page = await visitor.get("/docs")

    for address in re.findall(r"""(?:src|href)=["']([^"']+)""", page.text):
        assert (await visitor.get(address)).status_code == 200


async def test_the_styles_load_nothing_from_elsewhere(visitor: httpx.AsyncClient) -> None:
    styles = await visitor.get("/docs/assets/swagger-ui.css")

    assert not re.findall(r"url\(\s*[\"']?(?:https?:)?//", styles.text)
    assert "@import" not in styles.text


def test_every_content_type_of_a_download_is_described(document: dict[str, Any]) -> None:
    operation = document["paths"]["/api/v1/llm/files/{file_id}/content"]["get"]

    names = ["a.jsonl", "a.json", "a.csv", "a.py", "a.md", "a.txt", "a"]
    assert {content_type(name) for name in names} == set(operation["responses"]["200"]["content"])
