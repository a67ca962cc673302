"""Datasets of the hub: find their files, read them as rows, keep the rows."""
