from orchestrator.domain.failure import (
    MESSAGE_CHARS_MAX,
    Failure,
    RunFailed,
    run_failure_code,
    shortened,
)


def test_a_refusal_of_the_tenants_making_has_a_code_of_the_contract() -> None:
    assert run_failure_code("EMPTY_DATASET") == "empty_dataset"


def test_what_is_not_the_tenants_making_has_none() -> None:
    assert run_failure_code("SANDBOX_UNAVAILABLE") is None


def test_a_long_message_is_cut() -> None:
    assert shortened("short") == "short"
    assert len(shortened("x" * 5_000)) == MESSAGE_CHARS_MAX
    assert shortened("x" * 5_000).endswith("…")


def test_a_failed_run_says_why() -> None:
    failure = Failure(code="internal", message="no luck", stage="finalize")

    assert str(RunFailed(failure)) == "internal: no luck"
