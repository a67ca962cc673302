import jwt
import pytest

from servicekit.tokens import TokenExpired, TokenInvalid, sign, verify

SECRET = b"a secret of thirty-two bytes ..."
OTHER_SECRET = b"another secret of 32 bytes ....."


def test_the_claims_come_back() -> None:
    token = sign({"run": "run_1", "models": ["a", "b"]}, SECRET, lifetime_s=60, audience="run")

    claims = verify(token, SECRET, audience="run")

    assert (claims["run"], claims["models"]) == ("run_1", ["a", "b"])
    assert claims["exp"] - claims["iat"] == 60


def test_a_token_for_another_purpose_is_refused() -> None:
    token = sign({}, SECRET, lifetime_s=60, audience="run")

    with pytest.raises(TokenInvalid):
        verify(token, SECRET, audience="caller")


def test_a_token_signed_with_another_secret_is_refused() -> None:
    token = sign({}, OTHER_SECRET, lifetime_s=60, audience="run")

    with pytest.raises(TokenInvalid):
        verify(token, SECRET, audience="run")


def test_an_unsigned_token_is_refused() -> None:
    claims = {"aud": "run", "iat": 0, "exp": 4_000_000_000}

    with pytest.raises(TokenInvalid):
        verify(jwt.encode(claims, None, algorithm="none"), SECRET, audience="run")


def test_a_token_that_never_ends_is_refused() -> None:
    token = jwt.encode({"aud": "run", "iat": 0}, SECRET, algorithm="HS256")

    with pytest.raises(TokenInvalid):
        verify(token, SECRET, audience="run")


@pytest.mark.parametrize("garbage", ["", "x", "a.b.c", "é" * 40])
def test_what_is_no_token_is_refused(garbage: str) -> None:
    with pytest.raises(TokenInvalid):
        verify(garbage, SECRET, audience="run")


def test_an_expired_token_is_told_apart() -> None:
    token = sign({}, SECRET, lifetime_s=-60, audience="run")

    with pytest.raises(TokenExpired):
        verify(token, SECRET, audience="run")


def test_clocks_may_differ_by_a_few_seconds() -> None:
    assert verify(sign({}, SECRET, lifetime_s=-5, audience="run"), SECRET, audience="run")


def test_renewal_takes_an_expired_token_for_a_while() -> None:
    token = sign({"run": "run_1"}, SECRET, lifetime_s=-600, audience="run")

    assert verify(token, SECRET, audience="run", allow_expired_s=900)["run"] == "run_1"
    with pytest.raises(TokenExpired):
        verify(token, SECRET, audience="run", allow_expired_s=300)


def test_a_short_secret_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        sign({}, b"short", lifetime_s=60, audience="run")
    with pytest.raises(ValueError, match="32 bytes"):
        verify("a.b.c", b"short", audience="run")
