"""Give a run its name and its proof towards the model bridge."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain.run_token import RunGrant, mint_run_token
from servicekit.caller import Caller
from servicekit.clock import Clock
from servicekit.ids import new_id


@dataclass(frozen=True, slots=True)
class AdmittedRun:
    """What a run is sent off with."""

    run_id: str
    run_token: str


class AdmitRun:
    """Draws run ids and mints run tokens.

    Args:
        secret: Signs run tokens; the bridge verifies with the same.
        grader_models: Models that graders may name besides the run's own; `("*",)` is any.
        max_calls: Model calls that one run may make.
        clock: Dates the tokens.
    """

    def __init__(
        self, *, secret: bytes, grader_models: Sequence[str], max_calls: int, clock: Clock
    ) -> None:
        self._secret = secret
        self._grader_models = tuple(grader_models)
        self._max_calls = max_calls
        self._clock = clock

    def __call__(
        self,
        caller: Caller,
        *,
        candidates: Sequence[str],
        judge: str | None,
        embedding: str | None,
        idempotency_key: str | None = None,
    ) -> AdmittedRun:
        """A run id and the token that lets exactly this run call its models.

        The id is a fresh one, or the only one of the caller's team for an idempotency key: the
        orchestrator stores a run of that id once.
        """
        run_id = new_id("eval_run") if idempotency_key is None else _run_id(caller, idempotency_key)
        token = self.again(caller, run_id, candidates=candidates, judge=judge, embedding=embedding)
        return AdmittedRun(run_id, token)

    def again(
        self,
        caller: Caller,
        run_id: str,
        *,
        candidates: Sequence[str],
        judge: str | None,
        embedding: str | None,
    ) -> str:
        """A token for a run that is put back to work; its calls go on counting where they were."""
        grant = RunGrant(
            run_id=run_id,
            org_id=caller.org_id,
            team_id=caller.team_id,
            on_behalf_of=caller.on_behalf_of,
            candidates=tuple(candidates),
            judge=judge,
            embedding=embedding,
            grader_models=self._grader_models,
            max_calls=self._max_calls,
        )
        return mint_run_token(grant, self._secret, now=self._clock.utc_now())


def _run_id(caller: Caller, idempotency_key: str) -> str:
    # As a list, so that no end of one name is taken for the beginning of the next.
    named = json.dumps([caller.org_id, caller.team_id, idempotency_key]).encode()
    return f"eval_run_{hashlib.sha256(named).hexdigest()[:32]}"
