"""Deliveries in the gateway's own schema."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from gateway.domain.webhook import Delivery
from pgstore.database import Database
from servicekit.clock import Clock

# Of all replicas together: a team whose receivers are slow holds up nobody else.
TEAM_AT_ONCE = 4
# Longer than a try may take; a replica that died leaves its tries for so long.
CLAIM = timedelta(seconds=60)

_ADD = """
INSERT INTO webhook_deliveries (delivery_id, org_id, team_id, schedule_id, run_id, body,
                                next_attempt_at, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT (delivery_id) DO NOTHING
"""
_CLAIM = """
WITH held AS (
    SELECT org_id, team_id, count(*) AS held FROM webhook_deliveries
    WHERE claimed_until > $1 GROUP BY org_id, team_id
), ranked AS (
    SELECT delivery_id, org_id, team_id, next_attempt_at, row_number() OVER (
               PARTITION BY org_id, team_id ORDER BY next_attempt_at, delivery_id) AS place
    FROM webhook_deliveries
    WHERE next_attempt_at <= $1 AND (claimed_until IS NULL OR claimed_until <= $1)
), chosen AS (
    SELECT d.delivery_id
    FROM webhook_deliveries d JOIN ranked r USING (delivery_id)
    LEFT JOIN held h ON h.org_id = r.org_id AND h.team_id = r.team_id
    WHERE r.place + coalesce(h.held, 0) <= $3
      AND d.next_attempt_at <= $1 AND (d.claimed_until IS NULL OR d.claimed_until <= $1)
    ORDER BY r.place, r.next_attempt_at LIMIT $4 FOR UPDATE OF d SKIP LOCKED
)
UPDATE webhook_deliveries d SET claimed_until = $2, attempts = attempts + 1
FROM chosen c WHERE d.delivery_id = c.delivery_id
RETURNING d.delivery_id, d.org_id, d.team_id, d.schedule_id, d.run_id, d.body, d.attempts
"""
_AGAIN = """
UPDATE webhook_deliveries SET next_attempt_at = $2, claimed_until = NULL WHERE delivery_id = $1
"""
_DONE = "DELETE FROM webhook_deliveries WHERE delivery_id = $1"


class PostgresDeliveries:
    """What is still to be told, as in `gateway.ports.Deliveries`.

    Every method raises StoreUnavailable when Postgres is away.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(self, delivery: Delivery) -> None:
        """Store a delivery that is due at once; one that is there already stays."""
        now = self._clock.utc_now()
        async with self._database.connection() as connection:
            await connection.execute(
                _ADD,
                delivery.id,
                delivery.org_id,
                delivery.team_id,
                delivery.schedule_id,
                delivery.run_id,
                delivery.body,
                now,
            )

    async def claim(self, *, limit: int) -> Sequence[Delivery]:
        """Begin a try of deliveries that are due, a few of each team; nobody else gets them."""
        now = self._clock.utc_now()
        async with self._database.connection() as connection:
            rows = await connection.fetch(_CLAIM, now, now + CLAIM, TEAM_AT_ONCE, limit)
        return [_delivery(row) for row in rows]

    async def again(self, delivery_id: str, at: datetime) -> None:
        """Try a delivery again then."""
        async with self._database.connection() as connection:
            await connection.execute(_AGAIN, delivery_id, at)

    async def done(self, delivery_id: str) -> None:
        """Forget a delivery."""
        async with self._database.connection() as connection:
            await connection.execute(_DONE, delivery_id)


def _delivery(row: Mapping[str, Any]) -> Delivery:
    return Delivery(
        id=row["delivery_id"],
        org_id=row["org_id"],
        team_id=row["team_id"],
        schedule_id=row["schedule_id"],
        run_id=row["run_id"],
        body=row["body"],
        attempts=row["attempts"],
    )
