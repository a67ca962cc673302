"""Postgres for a service that owns one schema: pools, COPY, migrations, the outbox."""
