from datetime import UTC, datetime, timedelta

import pytest

from gateway.bridge.call import CallFailed
from gateway.bridge.run_tokens import REMEMBERED_MAX, RunTokens
from gateway.domain.run_token import RunGrant, RunTokenInvalid, mint_run_token
from gateway.inbound.rest.access import ON_BEHALF_OF_CHARS_MAX
from gateway.inbound.run_body import MODELS_MAX

SECRET = b"s" * 32
GRANT = RunGrant(run_id="run_1", org_id="org_1", team_id="team_1", candidates=("small",))


class TurnedClock:
    """Runs ahead of the machine's clock by `ahead`."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def utc_now(self) -> datetime:
        return datetime.now(UTC) + self.ahead  # noqa: TID251 - a token's own time is the machine's


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def tokens(clock: TurnedClock) -> RunTokens:
    return RunTokens(SECRET, clock)


def minted(run_id: str = "run_1") -> str:
    grant = RunGrant(run_id=run_id, org_id="org_1", team_id="team_1", candidates=("small",))
    return mint_run_token(grant, SECRET, now=datetime.now(UTC))  # noqa: TID251 - as above


def test_a_token_is_verified_once(tokens: RunTokens) -> None:
    token = minted()

    assert tokens.grant_of(token) == GRANT
    assert tokens.grant_of(token) is tokens.grant_of(token)


def test_a_token_that_is_not_ours_fails_the_call(tokens: RunTokens) -> None:
    with pytest.raises(CallFailed) as failure:
        tokens.grant_of("not.a.token")

    assert failure.value.code == "run_token_invalid"


def test_a_monstrous_token_is_refused_unread(tokens: RunTokens) -> None:
    with pytest.raises(CallFailed) as failure:
        tokens.grant_of("a" * 1_000_000)

    assert failure.value.code == "run_token_invalid"
    with pytest.raises(RunTokenInvalid):
        tokens.renew("a" * 1_000_000)


def test_a_remembered_token_is_verified_again_when_its_time_is_over(
    tokens: RunTokens, clock: TurnedClock
) -> None:
    token = minted()
    first = tokens.grant_of(token)

    clock.ahead = timedelta(hours=2)

    assert tokens.grant_of(token) is not first


def test_only_so_many_tokens_are_remembered(tokens: RunTokens) -> None:
    first = minted("run_0")
    grant = tokens.grant_of(first)

    for number in range(REMEMBERED_MAX):
        tokens.grant_of(minted(f"run_{number + 1}"))

    assert len(tokens._remembered) == REMEMBERED_MAX
    assert tokens.grant_of(first) is not grant


def test_a_renewed_token_grants_the_same_for_another_hour(
    tokens: RunTokens, clock: TurnedClock
) -> None:
    fresh, expires_at = tokens.renew(minted())

    assert tokens.grant_of(fresh) == GRANT
    assert timedelta(minutes=59) < expires_at - clock.utc_now() <= timedelta(hours=1)


def test_a_forged_token_is_not_renewed(tokens: RunTokens) -> None:
    forged = mint_run_token(GRANT, b"x" * 32, now=datetime.now(UTC))  # noqa: TID251 - as above

    with pytest.raises(RunTokenInvalid):
        tokens.renew(forged)


def test_the_longest_ids_that_a_run_may_name_fit_into_a_token(tokens: RunTokens) -> None:
    # A quotation mark takes two characters in JSON; no other printable ASCII takes more.
    ids = [f"{number:02}".ljust(255, '"') for number in range(MODELS_MAX + 2)]
    grant = RunGrant(
        run_id="r" * 64,
        org_id="o" * 255,
        team_id="t" * 255,
        on_behalf_of='"' * ON_BEHALF_OF_CHARS_MAX,
        candidates=tuple(ids[:MODELS_MAX]),
        judge=ids[-2],
        embedding=ids[-1],
        grader_models=("*",),
        max_calls=10**9,
    )
    token = mint_run_token(grant, SECRET, now=datetime.now(UTC))  # noqa: TID251 - as above

    assert tokens.grant_of(token) == grant
    assert tokens.grant_of(tokens.renew(token)[0]) == grant
