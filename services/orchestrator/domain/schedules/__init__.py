"""Schedules: what may be asked, when they are due, what a fire does."""
