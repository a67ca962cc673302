"""API keys: their text, their keyed hash and what they allow."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime

from gateway.domain.scopes import Scope

# 16 digits name a key (2^64 of them, so ids never meet by chance); 64 digits are the 256-bit
# secret.
_KEY_TEXT = re.compile(r"prk_([0-9a-f]{16})_[0-9a-f]{64}")
# The owner's ids become tokens of NATS subjects, where dots, blanks and wildcards have a meaning.
_OWNER_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
NAME_CHARS_MAX = 255


@dataclass(frozen=True, slots=True)
class KeyText:
    """A key as its holder sees it: `prk_<id>_<secret>`."""

    id: str
    text: str

    def __repr__(self) -> str:
        """Leave the secret out of logs and tracebacks."""
        return f"KeyText(id={self.id!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as it is kept: everything but the secret.

    `last_used_at` is coarse: it may lag by minutes, so that a request does not cost a write.
    `is_org_admin`: it may also do what only admins of the organisation may, such as sharing.
    """

    id: str
    name: str
    org_id: str
    team_id: str
    scopes: frozenset[Scope]
    seal: bytes
    created_at: datetime
    is_org_admin: bool = False
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None

    def __post_init__(self) -> None:
        assert len(self.seal) == hashlib.sha256().digest_size
        assert self.scopes

    def opened_by(self, key: KeyText, pepper: bytes) -> bool:
        """Whether `key` is this key's text, and not revoked; every wrong text takes as long."""
        matches = hmac.compare_digest(seal(key, pepper), self.seal)
        return matches and self.revoked_at is None


def draw_key_text() -> KeyText:
    """A new key text with a 256-bit secret from the operating system."""
    key_id = secrets.token_hex(8)
    return KeyText(id=key_id, text=f"prk_{key_id}_{secrets.token_hex(32)}")


def read_key_text(text: str) -> KeyText | None:
    """The key in `text`, or nothing when it does not have a key's form."""
    match = _KEY_TEXT.fullmatch(text)
    return KeyText(id=match[1], text=text) if match else None


def seal(key: KeyText, pepper: bytes) -> bytes:
    """The keyed hash (HMAC-SHA256) that is stored in place of the text.

    A fast hash is enough: the secret has 256 random bits, so there is nothing to guess that a slow
    one would protect.
    """
    return hmac.digest(pepper, key.text.encode(), "sha256")


def is_owner_id(text: str) -> bool:
    """Whether `text` may name an organisation or a team: 1 to 64 letters, digits, `_` and `-`."""
    return _OWNER_ID.fullmatch(text) is not None
