import pytest

from servicekit import tokens
from servicekit.caller import (
    Caller,
    CallerInvalid,
    CallerMissing,
    calling_as,
    current_caller,
    outgoing_caller,
    serve_for,
    sign_caller,
    verify_caller,
)

SECRET = b"a secret of thirty-two bytes ..."
CALLER = Caller(
    org_id="org_1",
    team_id="team_1",
    key_id="key_1",
    on_behalf_of="somebody",
    scopes=("read:evals", "write:evals"),
    request_id="req_1",
)
OTHER = Caller(org_id="org_2", team_id="team_2")


def test_a_caller_arrives_whole() -> None:
    assert verify_caller(sign_caller(CALLER, SECRET), SECRET) == CALLER


def test_a_caller_signed_by_somebody_else_is_refused() -> None:
    forged = sign_caller(CALLER, b"another secret of 32 bytes .....")

    with pytest.raises(CallerInvalid):
        verify_caller(forged, SECRET)


def test_an_old_caller_is_refused() -> None:
    with pytest.raises(CallerInvalid):
        verify_caller(sign_caller(CALLER, SECRET, lifetime_s=-60), SECRET)


def test_a_token_of_another_kind_is_no_caller() -> None:
    run_token = tokens.sign(
        {"org_id": "org_1", "team_id": "team_1"}, SECRET, lifetime_s=60, audience="run"
    )

    with pytest.raises(CallerInvalid):
        verify_caller(run_token, SECRET)


def test_a_caller_without_a_team_is_refused() -> None:
    with pytest.raises(CallerInvalid):
        verify_caller(sign_caller(Caller(org_id="org_1", team_id=""), SECRET), SECRET)


async def test_outside_of_a_call_there_is_no_caller() -> None:
    with pytest.raises(CallerMissing):
        current_caller()
    with pytest.raises(CallerMissing):
        outgoing_caller()


async def test_calls_go_out_for_the_caller_being_served() -> None:
    serve_for(CALLER)

    assert current_caller() == outgoing_caller() == CALLER


async def test_calling_as_somebody_else_ends_with_its_block() -> None:
    serve_for(CALLER)

    with calling_as(OTHER):
        assert outgoing_caller() == OTHER
        assert current_caller() == CALLER

    assert outgoing_caller() == CALLER
