from typing import Any

import httpx
import orjson
import pytest
from starlette.requests import Request

from gateway.inbound.resources.problems import Problem
from gateway.inbound.rest.problems import HANDLERS, status_of
from gateway.usecases.authenticate import KeyInvalid
from servicekit.errors import Kind, RemoteError, ServiceError, Violation
from unit.gateway.backend.house import MANIFEST, House

STATUSES = {
    "INVALID_ARGUMENT": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "FAILED_PRECONDITION": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}


def refusal(kind: str, reason: str = "SOME_REASON", **details: Any) -> ServiceError:
    error = ServiceError("a sentence", **details)
    error.kind, error.reason = Kind(kind), reason
    return error


def remote(kind: str, reason: str) -> RemoteError:
    return RemoteError("host 10.0.0.1 said no", kind=Kind(kind), reason=reason)


async def answer_to(error: ServiceError) -> tuple[int, dict[str, str], dict[str, Any]]:
    request = Request({"type": "http", "headers": [], "state": {"request_id": "req_1"}})
    response = await HANDLERS[ServiceError](request, error)
    return response.status_code, dict(response.headers), orjson.loads(response.body)


def test_every_kind_has_its_status() -> None:
    assert {kind.value: status_of(refusal(kind.value)) for kind in Kind} == STATUSES


@pytest.mark.parametrize(("reason", "status"), [("FILE_TOO_LARGE", 413), ("BODY_TOO_LARGE", 400)])
def test_a_file_that_is_too_large_is_413_and_a_json_body_400(reason: str, status: int) -> None:
    assert status_of(refusal("INVALID_ARGUMENT", reason)) == status


async def test_one_body_serves_the_contract_and_rfc_9457() -> None:
    violations = [
        Violation("models[1]", "DUPLICATE_MODELS", "It is there twice."),
        Violation("a", "", "Bad."),
    ]

    status, headers, body = await answer_to(
        refusal("INVALID_ARGUMENT", violations=violations, param="models")
    )

    details = [
        {"path": "models[1]", "message": "It is there twice.", "reason": "duplicate_models"},
        {"path": "a", "message": "Bad.", "reason": "duplicate_models"},
    ]
    assert status == 400
    assert headers["content-type"] == "application/json"
    assert body == {
        "error": {
            "message": "a sentence",
            "type": "invalid_request_error",
            "code": 400,
            "reason": "duplicate_models",
            "param": "models",
            "details": details,
        },
        "type": "urn:proctor:problem:duplicate_models",
        "title": "Duplicate models",
        "status": 400,
        "detail": "a sentence",
        "instance": "urn:proctor:request:req_1",
        "reason": "duplicate_models",
        "request_id": "req_1",
        "errors": details,
    }
    Problem.model_validate(body)


async def test_without_violations_param_and_details_are_null() -> None:
    _, _, body = await answer_to(refusal("NOT_FOUND", "RUN_NOT_FOUND"))

    assert body["error"]["param"] is None
    assert body["error"]["details"] is None
    assert body["errors"] == []


async def test_param_is_the_first_path_when_nothing_else_says() -> None:
    _, _, body = await answer_to(
        refusal("INVALID_ARGUMENT", violations=[Violation("manifest.tasks[0].id", "X", "m")])
    )

    assert body["error"]["param"] == "manifest.tasks[0].id"


@pytest.mark.parametrize(
    ("kind", "error_type"),
    [
        ("INVALID_ARGUMENT", "invalid_request_error"),
        ("UNAUTHENTICATED", "authentication_error"),
        ("PERMISSION_DENIED", "permission_error"),
        ("NOT_FOUND", "not_found_error"),
        ("FAILED_PRECONDITION", "conflict_error"),
        ("RESOURCE_EXHAUSTED", "rate_limit_error"),
        ("INTERNAL", "api_error"),
        ("UNAVAILABLE", "api_error"),
    ],
)
async def test_the_type_is_the_contracts_class_of_the_status(kind: str, error_type: str) -> None:
    _, _, body = await answer_to(refusal(kind))

    assert body["error"]["type"] == error_type


@pytest.mark.parametrize("kind", ["UNAVAILABLE", "RESOURCE_EXHAUSTED"])
async def test_what_may_be_repeated_later_says_when(kind: str) -> None:
    _, headers, _ = await answer_to(refusal(kind))

    assert int(headers["retry-after"]) > 0


@pytest.mark.parametrize("kind", ["INTERNAL", "DATA_LOSS"])
async def test_what_broke_inside_is_not_told(kind: str) -> None:
    broken = refusal(kind, violations=[Violation("row 17", "X", "secret")], param="row")

    status, _, body = await answer_to(broken)

    assert status == 500
    assert body["error"]["reason"] == "internal"
    assert "sentence" not in str(body)
    assert "row" not in str(body)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("UNAVAILABLE", 503),
        ("CANCELLED", 503),
        ("DEADLINE_EXCEEDED", 504),
        ("UNIMPLEMENTED", 501),
        ("INVALID_ARGUMENT", 500),
        ("RESOURCE_EXHAUSTED", 500),
        ("NOT_FOUND", 500),
    ],
)
async def test_what_grpc_says_by_itself_is_never_the_callers_fault(kind: str, status: int) -> None:
    answered, _, body = await answer_to(remote(kind, reason=kind))

    assert answered == status
    assert "10.0.0.1" not in str(body)


async def test_a_service_that_does_not_believe_us_is_our_failure() -> None:
    status, _, _ = await answer_to(remote("UNAUTHENTICATED", "CALLER_INVALID"))

    assert status == 500


async def test_a_bad_key_is_401_and_names_the_scheme() -> None:
    status, headers, _ = await answer_to(KeyInvalid("no"))

    assert status == 401
    assert headers["www-authenticate"] == "Bearer"


async def test_a_defect_of_a_service_is_500_and_tells_nothing(
    house: House, client: httpx.AsyncClient
) -> None:
    house.suites.trouble = ValueError("the password is tiger")

    answer = await client.post("/evals/suites", json={"name": "s", "manifest": MANIFEST})

    assert answer.status_code == 500
    assert "tiger" not in answer.text
    assert answer.json()["error"]["code"] == 500


async def test_a_defect_of_our_own_is_500_in_the_same_form(
    house: House, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: object) -> None:
        raise RuntimeError("the password is tiger")

    monkeypatch.setattr("gateway.inbound.suites.suite_object", explode)

    answer = await client.post("/evals/suites", json={"name": "s", "manifest": MANIFEST})

    assert answer.status_code == 500
    assert "tiger" not in answer.text
    Problem.model_validate(answer.json())
    assert answer.headers["x-request-id"] == answer.json()["request_id"]


async def test_a_service_that_is_away_is_503_with_retry_after(
    house: House, client: httpx.AsyncClient
) -> None:
    house.files.trouble = refusal("UNAVAILABLE", "STORE_UNAVAILABLE")

    answer = await client.get("/files")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/evals/runs?limit=0", "limit"),
        ("/evals/runs?limit=101", "limit"),
        ("/evals/runs?limit=x", "limit"),
        ("/evals/runs?status=bad", "status"),
        ("/evals/runs?owned_only=maybe", "owned_only"),
        ("/evals/suites/x/versions/0", "version"),
        ("/evals/suites/x/versions/abc", "version"),
        ("/evals/suites/x/versions/99999999999999999999", "version"),
        (f"/evals/suites?after={'x' * 256}", "after"),
    ],
)
async def test_a_bad_parameter_is_400_and_named(
    client: httpx.AsyncClient, path: str, param: str
) -> None:
    answer = await client.get(path)

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert answer.json()["error"]["reason"] == "invalid_parameter"
    assert answer.json()["error"]["details"][0]["path"] == param


async def test_all_bad_parameters_are_told_at_once(client: httpx.AsyncClient) -> None:
    answer = await client.get("/evals/runs?limit=0&status=bad&suite_version=0")

    assert {found["path"] for found in answer.json()["errors"]} == {
        "limit",
        "status",
        "suite_version",
    }


async def test_an_unknown_path_is_404_in_the_same_form(client: httpx.AsyncClient) -> None:
    answer = await client.get("/nope")

    assert answer.status_code == 404
    assert answer.json()["error"]["reason"] == "unknown_path"


async def test_a_wrong_method_is_405_and_says_what_is_allowed(client: httpx.AsyncClient) -> None:
    answer = await client.put("/files")

    assert answer.status_code == 405
    assert answer.json()["error"]["reason"] == "method_not_allowed"
    assert answer.headers["allow"] == "GET, POST"


async def test_allow_names_the_methods_of_this_path_only(house: House) -> None:
    transport = httpx.ASGITransport(house.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        one = await client.put("/api/v1/llm/files/file_1")
        page = await client.post("/docs")
        asset = await client.post("/docs/assets/swagger-ui.css")

    assert one.headers["allow"] == "DELETE, GET"
    assert page.headers["allow"] == "GET"
    assert asset.headers["allow"] == "GET, HEAD"
    assert {answer.status_code for answer in (one, page, asset)} == {405}
