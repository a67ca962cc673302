"""How the orchestrator calls others: Postgres, the other services, the object store."""
