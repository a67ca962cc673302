"""Usage of runs' graders in the gateway's own schema."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.domain.usage import ModelUsage, TokenCounts, UsageSum
from pgstore.database import Database

QUERY_TIMEOUT_S = 5.0

_WRITE = """
    INSERT INTO grader_usage (usage_id, run_id, model, calls, input_tokens, output_tokens,
                              cached_tokens, reasoning_tokens)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (usage_id) DO UPDATE SET
        calls = excluded.calls, input_tokens = excluded.input_tokens,
        output_tokens = excluded.output_tokens, cached_tokens = excluded.cached_tokens,
        reasoning_tokens = excluded.reasoning_tokens
"""
_READ = """
    SELECT run_id, model, sum(calls)::bigint AS calls,
           sum(input_tokens)::bigint AS input_tokens, sum(output_tokens)::bigint AS output_tokens,
           sum(cached_tokens)::bigint AS cached_tokens,
           sum(reasoning_tokens)::bigint AS reasoning_tokens
    FROM grader_usage WHERE run_id = ANY($1) GROUP BY run_id, model ORDER BY run_id, model
"""


class UsageTable:
    """Keeps the sums of all processes, and adds them up.

    Every method raises StoreUnavailable when Postgres is away, and TimeoutError after 5 s.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, sums: Sequence[UsageSum]) -> None:
        """Put each sum in the place of the one with its id."""
        rows = [(entry.id, entry.run_id, entry.model, *_figures(entry.usage)) for entry in sums]
        async with asyncio.timeout(QUERY_TIMEOUT_S), self._database.connection() as connection:
            await connection.executemany(_WRITE, rows)

    async def of_runs(self, run_ids: Sequence[str]) -> Mapping[str, Mapping[str, ModelUsage]]:
        """Return what graders asked, by run and model; runs whose graders asked none are missing.

        Whether the caller may see the runs is the caller's to know.
        """
        async with asyncio.timeout(QUERY_TIMEOUT_S), self._database.connection() as connection:
            rows = await connection.fetch(_READ, list(run_ids))
        found: dict[str, dict[str, ModelUsage]] = {}
        for row in rows:
            found.setdefault(row["run_id"], {})[row["model"]] = _usage(row)
        return found


def _figures(usage: ModelUsage) -> tuple[int | None, ...]:
    tokens = usage.tokens
    return (
        usage.calls,
        tokens.input_tokens,
        tokens.output_tokens,
        tokens.cached_tokens,
        tokens.reasoning_tokens,
    )


def _usage(row: Mapping[str, Any]) -> ModelUsage:
    return ModelUsage(
        calls=row["calls"],
        tokens=TokenCounts(
            input_tokens=row["input_tokens"],
            output_tokens=row["output_tokens"],
            cached_tokens=row["cached_tokens"],
            reasoning_tokens=row["reasoning_tokens"],
        ),
    )
