"""Run events that webhooks of schedules are told of."""
