import json
from typing import Any

import pytest

from gateway.inbound.rest.bodies import BodyInvalid, read_json
from gateway.inbound.schedules.body import (
    CreateScheduleBody,
    UpdateScheduleBody,
    fields_of,
    mask_of,
)
from proctor.schedules.v1 import schedule_pb2

BODY: dict[str, Any] = {
    "name": "nightly",
    "suite_id": "eval_suite_1",
    "cron": "0 9 * * *",
    "run": {"models": ["a"], "generation": {"stop": None}, "concurrency": 2.0},
}


def update(**changes: Any) -> UpdateScheduleBody:
    return read_json(json.dumps(changes).encode(), UpdateScheduleBody)


def test_what_a_run_is_to_be_travels_as_it_was_given() -> None:
    fields = fields_of(read_json(json.dumps(BODY).encode(), CreateScheduleBody))

    assert json.loads(fields.run_json) == {
        "models": ["a"],
        "generation": {"stop": None},
        "concurrency": 2,
    }
    assert fields.overlap_policy == schedule_pb2.OVERLAP_POLICY_SKIP
    assert (fields.timezone, fields.enabled) == ("UTC", True)


def test_an_explicit_null_clears_what_may_be_null() -> None:
    body = update(cron=None, interval_seconds=60)

    assert mask_of(body) == ["cron", "interval_seconds"]
    assert not fields_of(body).HasField("cron")
    assert fields_of(body).interval_seconds == 60


def test_a_null_for_what_is_never_null_changes_nothing() -> None:
    body = update(name=None, timezone=None, enabled=None, run=None, metadata=None)

    assert mask_of(body) == []


def test_labels_can_be_taken_away() -> None:
    body = update(metadata={})

    assert mask_of(body) == ["metadata"]
    assert fields_of(body).HasField("metadata")


@pytest.mark.parametrize("name", ["suite_id", "id", "model_fields_set", "next_run_at"])
def test_what_cannot_be_changed_is_an_unknown_field(name: str) -> None:
    with pytest.raises(BodyInvalid) as caught:
        update(**{name: "x"})

    assert caught.value.violations[0].reason == "UNKNOWN_FIELD"


def test_a_secret_is_not_in_what_a_body_shows_of_itself() -> None:
    changes = {"webhook_url": "https://example.org", "webhook_secret": "hidden"}

    shown = repr(update(**changes))

    assert "hidden" not in shown
