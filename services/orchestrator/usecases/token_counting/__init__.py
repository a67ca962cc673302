"""Counting tokens where nobody reported any."""
