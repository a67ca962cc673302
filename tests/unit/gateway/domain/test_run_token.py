from datetime import UTC, datetime, timedelta

import jwt
import pytest

from gateway.domain.run_token import (
    AUDIENCE,
    LIFETIME_S,
    RunGrant,
    RunTokenInvalid,
    mint_run_token,
    read_run_token,
    renew_run_token,
)
from servicekit import tokens

SECRET = b"s" * 32
GRANT = RunGrant(
    run_id="run_1",
    org_id="org_1",
    team_id="team_1",
    on_behalf_of="user-7",
    candidates=("small", "large"),
    judge="judge",
    embedding="embed",
    grader_models=("helper",),
    max_calls=500,
)


def now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - a token's own time is the machine's


def expired_token(*, age_s: int, **changed: object) -> str:
    begun = int(now().timestamp()) - age_s
    claims = jwt.decode(
        mint_run_token(GRANT, SECRET, now=now()), options={"verify_signature": False}
    )
    claims |= {"iat": begun, "exp": begun + LIFETIME_S, "born": begun, **changed}
    return jwt.encode(claims, SECRET, algorithm="HS256")


def test_a_token_gives_back_what_it_was_minted_with() -> None:
    read = read_run_token(mint_run_token(GRANT, SECRET, now=now()), SECRET)

    assert read.grant == GRANT
    assert timedelta(minutes=59) < read.expires_at - now() <= timedelta(minutes=60)


def test_a_token_without_optional_bounds_reads_back_too() -> None:
    grant = RunGrant(run_id="run_1", org_id="org_1", team_id="team_1")

    assert read_run_token(mint_run_token(grant, SECRET, now=now()), SECRET).grant == grant


def test_a_token_of_another_secret_is_refused() -> None:
    token = mint_run_token(GRANT, b"x" * 32, now=now())

    with pytest.raises(RunTokenInvalid):
        read_run_token(token, SECRET)


def test_a_token_signed_for_something_else_is_refused() -> None:
    token = tokens.sign({"run": "run_1"}, SECRET, lifetime_s=60, audience="proctor-caller")

    with pytest.raises(RunTokenInvalid):
        read_run_token(token, SECRET)


def test_an_unsigned_token_is_refused() -> None:
    claims = jwt.decode(
        mint_run_token(GRANT, SECRET, now=now()), options={"verify_signature": False}
    )
    token = jwt.encode(claims, None, algorithm="none")

    with pytest.raises(RunTokenInvalid):
        read_run_token(token, SECRET)


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("run", ""),
        ("run", 7),
        ("candidates", "small"),
        ("candidates", [1]),
        ("max_calls", -1),
        ("max_calls", True),
        ("obo", "a\r\nb"),
        ("born", "yesterday"),
    ],
)
def test_a_signed_token_with_a_wrong_claim_is_refused(claim: str, value: object) -> None:
    token = expired_token(age_s=0, **{claim: value})

    with pytest.raises(RunTokenInvalid):
        read_run_token(token, SECRET)


def test_a_token_that_lacks_a_claim_is_refused() -> None:
    token = tokens.sign({"run": "run_1"}, SECRET, lifetime_s=60, audience=AUDIENCE)

    with pytest.raises(RunTokenInvalid):
        read_run_token(token, SECRET)


def test_an_expired_token_is_refused_but_can_be_renewed() -> None:
    token = expired_token(age_s=2 * LIFETIME_S)

    with pytest.raises(RunTokenInvalid):
        read_run_token(token, SECRET)
    assert read_run_token(renew_run_token(token, SECRET, now=now()), SECRET).grant == GRANT


def test_renewals_do_not_move_the_day_on_which_they_end() -> None:
    token = expired_token(age_s=29 * 86400)

    renewed = renew_run_token(token, SECRET, now=now())

    with pytest.raises(RunTokenInvalid, match="30 days"):
        renew_run_token(renewed, SECRET, now=now() + timedelta(days=2))


def test_a_token_that_expired_more_than_30_days_ago_cannot_be_renewed() -> None:
    with pytest.raises(RunTokenInvalid):
        renew_run_token(expired_token(age_s=32 * 86400), SECRET, now=now())


def test_a_changed_token_cannot_be_renewed() -> None:
    head, _, signature = mint_run_token(GRANT, SECRET, now=now()).split(".")
    body = mint_run_token(
        RunGrant(run_id="other", org_id="o", team_id="t"), b"x" * 32, now=now()
    ).split(".")[1]

    with pytest.raises(RunTokenInvalid):
        renew_run_token(f"{head}.{body}.{signature}", SECRET, now=now())


def test_only_the_runs_own_candidates_may_be_evaluated() -> None:
    assert GRANT.allows_candidate("small")
    assert not GRANT.allows_candidate("judge")


def test_graders_may_use_the_judge_for_text_and_the_embedding_model_for_embeddings() -> None:
    assert GRANT.allows_grader("judge", embeddings=False)
    assert GRANT.allows_grader("embed", embeddings=True)
    assert not GRANT.allows_grader("judge", embeddings=True)
    assert not GRANT.allows_grader("embed", embeddings=False)


def test_graders_may_use_the_models_that_the_operator_lists() -> None:
    assert GRANT.allows_grader("helper", embeddings=False)
    assert not GRANT.allows_grader("small", embeddings=False)


def test_a_star_lets_graders_use_any_model() -> None:
    grant = RunGrant(run_id="r", org_id="o", team_id="t", grader_models=("*",))

    assert grant.allows_grader("anything", embeddings=False)
    assert grant.allows_grader("anything", embeddings=True)
    assert not grant.allows_candidate("anything")


def test_a_run_without_a_judge_allows_none() -> None:
    grant = RunGrant(run_id="r", org_id="o", team_id="t")

    assert not grant.allows_grader("judge", embeddings=False)
