"""Schedules: over REST, and for the orchestrator."""
