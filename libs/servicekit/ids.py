"""Identifiers that need no coordination."""

from uuid import uuid4


def new_id(prefix: str) -> str:
    """A fresh identifier: the prefix, an underscore and 32 random hexadecimal digits."""
    return f"{prefix}_{uuid4().hex}"
