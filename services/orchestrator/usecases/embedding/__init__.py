"""Verbs of embedding tasks: prepare, embed, score."""
