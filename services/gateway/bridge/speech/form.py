"""A multipart form with one file."""

import secrets
from collections.abc import Mapping

from gateway.bridge.speech.recording import Recording


def form_of(recording: Recording, fields: Mapping[str, str]) -> tuple[str, bytes]:
    """Return the content type and the body of a form: the fields, then the recording as `file`."""
    boundary = secrets.token_hex(16)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; '
        f'filename="{recording.filename}"\r\nContent-Type: {recording.media_type}\r\n\r\n'
    )
    end = f"\r\n--{boundary}--\r\n"
    content = b"".join([*parts, head.encode(), recording.content, end.encode()])
    return f"multipart/form-data; boundary={boundary}", content
