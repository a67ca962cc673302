import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

from gateway.domain.webhook import (
    ATTEMPTS_MAX,
    Delivery,
    Webhook,
    body_of,
    headers_of,
    pause_after,
)

DELIVERY = Delivery(
    id="event-1",
    org_id="org",
    team_id="team",
    schedule_id="eval_schedule_1",
    run_id="eval_run_1",
    body=b'{"type":"eval.run.completed"}',
)


def test_the_body_says_what_happened_when_and_to_which_run() -> None:
    moment = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)

    body = json.loads(body_of("failed", happened_at=moment, run={"id": "eval_run_1"}))

    assert body == {
        "type": "eval.run.failed",
        "created_at": int(moment.timestamp()),
        "data": {"id": "eval_run_1"},
    }


def test_the_signature_is_of_the_very_bytes() -> None:
    headers = headers_of(DELIVERY, Webhook("https://example.org", "secret"))

    expected = hmac.new(b"secret", DELIVERY.body, hashlib.sha256).hexdigest()
    assert headers["X-Webhook-Signature"] == expected
    assert headers["X-Webhook-Id"] == "event-1"


def test_without_a_secret_there_is_no_signature() -> None:
    assert "X-Webhook-Signature" not in headers_of(DELIVERY, Webhook("https://example.org", None))


def test_a_secret_is_not_in_what_logs_would_show() -> None:
    assert "hidden" not in repr(Webhook("https://example.org", "hidden"))


def test_a_receiver_has_about_an_hour_to_come_back() -> None:
    pauses = [pause_after(attempts) for attempts in range(1, ATTEMPTS_MAX)]

    assert None not in pauses
    whole = sum((pause for pause in pauses if pause), timedelta())
    assert timedelta(minutes=50) <= whole <= timedelta(minutes=70)
    assert pause_after(ATTEMPTS_MAX) is None
