"""Schedules: kept, fired by the clock, and fired by hand."""
