"""What is sent to an upstream."""

from dataclasses import dataclass

JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request's address, below the provider's base URL, and its body."""

    path: str
    body: bytes
    content_type: str = JSON_TYPE
