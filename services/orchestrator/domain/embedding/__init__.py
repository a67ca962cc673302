"""Embedding tasks: what of a row is embedded, and what vectors are worth."""
