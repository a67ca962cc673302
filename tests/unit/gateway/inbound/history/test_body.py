"""The body and the token of an import."""

import orjson
import pytest
from starlette.requests import Request

from gateway.inbound.history.body import ImportHistoryBody
from gateway.inbound.history.routes import HubTokenInvalid, HubTokenMissing, _hub_token
from gateway.inbound.rest.bodies import BodyInvalid, read_json


def parsed(document: object) -> ImportHistoryBody:
    return read_json(orjson.dumps(document), ImportHistoryBody)


def request_with(*headers: tuple[bytes, bytes]) -> Request:
    return Request({"type": "http", "headers": list(headers)})


def test_everything_has_the_contracts_default() -> None:
    body = parsed({})

    assert (body.source.type, body.source.repo, body.source.revision) == (
        *("huggingface", "meetkai/lm-eval-harness-result", "main"),
    )
    assert body.suite_name == "Historical lm-eval harness results"
    assert (body.create_missing_tasks, body.dry_run, body.limit_files) == (True, False, None)
    assert body.metadata == {}


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"source": {"repo": "a/b/c"}}, "source.repo"),
        ({"source": {"repo": "a/b\n"}}, "source.repo"),
        ({"source": {"revision": ""}}, "source.revision"),
        ({"source": {"path_prefix": ""}}, "source.path_prefix"),
        ({"source": {"files": ["a"] * 101}}, "source.files"),
        ({"source": {"files": ["a//b"]}}, "source.files[0]"),
        ({"source": {"files": ["a", "b/./c"]}}, "source.files[1]"),
        ({"source": {"files": ["a\tb"]}}, "source.files[0]"),
        ({"source": {"token": "hf"}}, "source.token"),
        ({"suite_name": "x" * 256}, "suite_name"),
        ({"suite_name": "a\x00b"}, "suite_name"),
        ({"suite_description": "x" * 10_001}, "suite_description"),
        ({"limit_files": 0}, "limit_files"),
        ({"dry_run": 1}, "dry_run"),
        ({"metadata": {"key": "x" * 513}}, "metadata.key"),
    ],
)
def test_what_breaks_a_rule_is_refused_with_its_place(document: object, path: str) -> None:
    with pytest.raises(BodyInvalid) as refused:
        parsed(document)

    assert refused.value.violations[0].path == path


def test_a_token_that_is_missing_or_blank_is_asked_for() -> None:
    for headers in ([], [(b"x-huggingface-token", b"  ")]):
        with pytest.raises(HubTokenMissing):
            _hub_token(request_with(*headers))


def test_what_cannot_be_a_token_is_refused_and_not_repeated() -> None:
    for token in (b"a b", b"x" * 1025, b"\xff"):
        with pytest.raises(HubTokenInvalid) as refused:
            _hub_token(request_with((b"x-huggingface-token", token)))
        assert token.decode("latin-1") not in refused.value.message


def test_a_token_shows_itself_to_nobody() -> None:
    token = _hub_token(request_with((b"x-huggingface-token", b" hf_good ")))

    assert token.get_secret_value() == "hf_good"
    assert "hf_good" not in repr(token)
