"""The hub that an address means."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from importer.outbound.hub.client import Hub
from importer.outbound.hub.folder import FolderHub
from importer.outbound.hub.requests import Patience


def open_hub(url: str, *, patience: Patience | None = None) -> Hub | FolderHub:
    """Return the hub at an address: `https://…`, or `file:///folder` for one on this machine."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return FolderHub(Path(unquote(parts.path)))
    return Hub(url, patience=patience)
