"""Secrets that are made once and kept in files only their owner can read."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

SECRET_BYTES = 32


def secret_from(path: Path) -> str:
    """Return the secret kept in `path`; the first call makes it."""
    with suppress(FileNotFoundError):
        return path.read_text()
    write_private(path, secrets.token_urlsafe(SECRET_BYTES))
    return path.read_text()


def write_private(path: Path, text: str) -> None:
    """Write `text` to `path` with mode 0600; a reader never sees half of it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    half.replace(path)
