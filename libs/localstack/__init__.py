"""What one machine needs to run Proctor alone: Postgres, NATS, a local model, the services."""
