from datetime import UTC, datetime

from gateway.domain.run_token import read_run_token
from gateway.usecases.admit_run import AdmitRun
from servicekit.caller import Caller
from servicekit.clock import SystemClock

SECRET = b"s" * 32
CALLER = Caller(org_id="org", team_id="team", on_behalf_of="user-7")


def admit_run(grader_models: tuple[str, ...] = ()) -> AdmitRun:
    return AdmitRun(secret=SECRET, grader_models=grader_models, max_calls=500, clock=SystemClock())


def test_the_token_is_bound_to_the_run_its_owner_and_its_models() -> None:
    admitted = admit_run()(CALLER, candidates=["a", "b"], judge="j", embedding=None)

    grant = read_run_token(admitted.run_token, SECRET).grant
    assert (grant.run_id, grant.org_id, grant.team_id) == (admitted.run_id, "org", "team")
    assert grant.on_behalf_of == "user-7"
    assert grant.candidates == ("a", "b")
    assert (grant.judge, grant.embedding, grant.grader_models) == ("j", None, ())
    assert grant.max_calls == 500


def test_the_operator_may_let_graders_name_further_models() -> None:
    admitted = admit_run(("*",))(CALLER, candidates=["a"], judge=None, embedding=None)

    assert read_run_token(admitted.run_token, SECRET).grant.grader_models == ("*",)


def test_a_token_is_good_at_once() -> None:
    admitted = admit_run()(CALLER, candidates=["a"], judge=None, embedding=None)

    assert read_run_token(admitted.run_token, SECRET).expires_at > datetime.now(UTC)  # noqa: TID251


def test_an_idempotency_key_has_one_run_id_in_its_team() -> None:
    def run_id(caller: Caller, key: str) -> str:
        admitted = admit_run()(
            caller, candidates=["a"], judge=None, embedding=None, idempotency_key=key
        )
        assert read_run_token(admitted.run_token, SECRET).grant.run_id == admitted.run_id
        return admitted.run_id

    first = run_id(CALLER, "k")
    others = {
        run_id(CALLER, "k2"),
        run_id(Caller(org_id="org", team_id="other"), "k"),
        run_id(Caller(org_id="o", team_id="rgteam"), "k"),
    }

    assert run_id(CALLER, "k") == first
    assert first.startswith("eval_run_")
    assert len({first, *others}) == 4


def test_every_run_has_an_id_of_its_own() -> None:
    admit = admit_run()

    ids = {admit(CALLER, candidates=["a"], judge=None, embedding=None).run_id for _ in range(100)}

    assert len(ids) == 100
