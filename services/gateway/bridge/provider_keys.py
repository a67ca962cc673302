"""Provider keys: where they come from, and how they are kept out of what leaves the bridge."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from gateway.bridge.models_file import ProviderTable

# A shorter key is a placeholder such as `local` or `changeme`: it protects nothing, and honest
# answers contain it by chance. Those must reach the grader as the model wrote them.
SCRUBBED_KEY_CHARS_MIN = 12
KEY_PART_CHARS_MIN = 4  # what is left of a shorter part is the vendor's prefix
SCRUBBED = "[key removed]"


class KeyUnusable(Exception):
    """A provider's key cannot be read or cannot stand in a header; its value is not told."""


def read_key(name: str, table: ProviderTable, environ: Mapping[str, str]) -> SecretStr | None:
    """Return the key that provider `name` is called with, None when it is called without.

    Raises:
        KeyUnusable: the variable or file is missing or empty, or the key has a space or a
            character beyond ASCII.
    """
    if table.api_key_env:
        key, source = environ.get(table.api_key_env), f"api_key_env: {table.api_key_env}"
    elif table.api_key_file:
        key, source = _read_file(name, Path(table.api_key_file)), "api_key_file"
    else:
        return None
    key = (key or "").strip()
    if not key:
        raise KeyUnusable(f"[providers.{name}] {source} is not set or is empty")
    # A quote or backslash would look different inside JSON, where scrubbing searches for the key.
    if not all("!" <= char <= "~" and char not in '"\\' for char in key):
        raise KeyUnusable(f"[providers.{name}] {source} has a character that no key has")
    return SecretStr(key)


def _read_file(name: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyUnusable(f"[providers.{name}] api_key_file: cannot be read") from error


class Scrubber:
    """Takes one provider's key out of what it answers: an upstream may echo its request."""

    def __init__(self, key: SecretStr | None) -> None:
        text = key.get_secret_value() if key else ""
        self._text = text if len(text) >= SCRUBBED_KEY_CHARS_MIN else ""
        self._bytes = self._text.encode()

    def text(self, text: str) -> str:
        """Return `text` without the key."""
        return text.replace(self._text, SCRUBBED) if self._text else text

    def cut_text(self, text: str) -> str:
        """Return the beginning of a longer text without the key or a part of it at the cut."""
        text = self.text(text)
        for length in range(len(self._text) - 1, KEY_PART_CHARS_MIN - 1, -1):
            if text.endswith(self._text[:length]):
                return text[:-length]
        return text

    def json(self, body: bytes) -> bytes:
        """Return the JSON text `body` without the key; it stays JSON."""
        if self._bytes and self._bytes in body:
            return body.replace(self._bytes, SCRUBBED.encode())
        return body
