"""When a run token ends."""

import base64
import binascii
import json
from datetime import UTC, datetime


def expires_at(token: str) -> datetime | None:
    """Read when a token ends, without believing it; None when it cannot be read.

    Only the bridge can verify the signature. A wrong answer here costs one renewal too many or one
    refused call.
    """
    parts = token.split(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return datetime.fromtimestamp(claims["exp"], UTC)
    except (IndexError, KeyError, TypeError, ValueError, OverflowError, OSError, binascii.Error):
        return None
