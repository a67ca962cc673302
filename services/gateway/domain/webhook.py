"""What a webhook is told, how that is signed, and how long it is tried."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson

SIGNATURE_HEADER = "X-Webhook-Signature"
ID_HEADER = "X-Webhook-Id"

# After each failure; a try more than these is the last. About an hour: a receiver may be deployed
# anew, and nobody wants to hear of a run of yesterday.
_PAUSES_S = (10, 30, 60, 180, 420, 900, 1800)
ATTEMPTS_MAX = len(_PAUSES_S) + 1


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where runs of a schedule are told of, and the key that signs it; None: no signature."""

    url: str
    secret: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Something that a webhook is to be told.

    Attributes:
        id: The same for each try, so that the receiver knows a repetition.
        body: The bytes that are sent and signed.
        attempts: Tries that were begun.
    """

    id: str
    org_id: str
    team_id: str
    schedule_id: str
    run_id: str
    body: bytes = field(repr=False)
    attempts: int = 0


def body_of(fact: str, *, happened_at: datetime, run: Mapping[str, object]) -> bytes:
    """Return what is told of a run that ended as `fact`, such as `completed`."""
    told = {
        "type": f"eval.run.{fact}",
        "created_at": int(happened_at.timestamp()),
        "data": run,
    }
    return orjson.dumps(told)


def headers_of(delivery: Delivery, webhook: Webhook) -> dict[str, str]:
    """Return the headers of a try; the signature is of the very bytes of the body."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Proctor-Webhook",
        ID_HEADER: delivery.id,
    }
    if webhook.secret is not None:
        signature = hmac.digest(webhook.secret.encode(), delivery.body, "sha256")
        headers[SIGNATURE_HEADER] = signature.hex()
    return headers


def pause_after(attempts: int) -> timedelta | None:
    """Return how long to wait after so many tries that failed; None: that was the last."""
    if attempts >= ATTEMPTS_MAX:
        return None
    return timedelta(seconds=_PAUSES_S[attempts - 1])
