"""What the use cases need of the outside."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from gateway.domain.api_keys import ApiKey
from gateway.domain.usage import ModelUsage
from gateway.domain.webhook import Delivery, Webhook


class GraderUsage(Protocol):
    """What graders asked models."""

    async def of_runs(self, run_ids: Sequence[str]) -> Mapping[str, Mapping[str, ModelUsage]]:
        """What graders asked, by run and model; runs whose graders asked none are missing."""


class ApiKeys(Protocol):
    """The keys of this installation."""

    async def find(self, key_id: str) -> ApiKey | None:
        """The key with this id, revoked ones included."""

    async def add(self, key: ApiKey) -> None:
        """Store a new key."""

    async def list_all(self) -> Sequence[ApiKey]:
        """All keys, oldest first, revoked ones included."""

    async def revoke(self, key_id: str, at: datetime) -> ApiKey | None:
        """Revoke a key and return it, or nothing; an earlier revocation stands."""

    async def note_use(self, key_id: str, at: datetime) -> None:
        """Remember that the key was used."""


class Deliveries(Protocol):
    """What webhooks are still to be told."""

    async def add(self, delivery: Delivery) -> None:
        """Store a delivery that is due at once; one that is there already stays."""

    async def claim(self, *, limit: int) -> Sequence[Delivery]:
        """Begin a try of deliveries that are due, a few of each team; nobody else gets them."""

    async def again(self, delivery_id: str, at: datetime) -> None:
        """Try a delivery again then."""

    async def done(self, delivery_id: str) -> None:
        """Forget a delivery."""


class WebhookReceivers(Protocol):
    """Who is told of the runs of schedules."""

    async def find(self, *, org_id: str, team_id: str, schedule_id: str) -> Webhook | None:
        """Return where runs of a schedule are told of; None: nowhere, or it is deleted."""


class WebhookSender(Protocol):
    """The way to receivers."""

    async def send(self, delivery: Delivery, webhook: Webhook) -> str:
        """Send once; return an empty text when it was taken, else a short word why not."""
