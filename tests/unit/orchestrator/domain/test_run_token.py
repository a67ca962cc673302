import base64
from datetime import UTC, datetime

import pytest

from orchestrator.domain.run_token import expires_at


def token(claims: str) -> str:
    return f"head.{base64.urlsafe_b64encode(claims.encode()).decode().rstrip('=')}.tail"


@pytest.mark.parametrize("claims", ['{"exp": 1000000000}', '{"exp":  1000000000}'])
def test_the_end_of_a_token_can_be_read(claims: str) -> None:
    assert expires_at(token(claims)) == datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC)


@pytest.mark.parametrize(
    "unreadable",
    [
        "",
        "a.b.c",
        "a.?.c",
        token("{}"),
        token("[]"),
        token('{"exp": "soon"}'),
        token('{"exp": 1e99}'),
    ],
)
def test_a_token_that_cannot_be_read_has_no_end(unreadable: str) -> None:
    assert expires_at(unreadable) is None
