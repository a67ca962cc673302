"""A recording as an upstream takes it, and the `data:` URI that holds one."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.bridge.call import CallFailed

RECORDING_BYTES_MAX = 25 * 1024 * 1024  # what transcription operations take

_BASE64 = ";base64"
_HEAD_CHARS_MAX = 256
_RIFF_KIND = slice(8, 12)
_FTYP = slice(4, 8)

# By the names that files of the formats have; upstreams tell a format by the file's name.
_SUFFIXES: Mapping[str, str] = {
    "audio/flac": "flac",
    "audio/x-flac": "flac",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/mpga": "mpga",
    "video/mpeg": "mpeg",
    "audio/mp4": "m4a",
    "audio/m4a": "m4a",
    "audio/x-m4a": "m4a",
    "video/mp4": "mp4",
    "audio/ogg": "ogg",
    "application/ogg": "ogg",
    "audio/opus": "ogg",
    "audio/wav": "wav",
    "audio/wave": "wav",
    "audio/x-wav": "wav",
    "audio/vnd.wave": "wav",
    "audio/webm": "webm",
    "video/webm": "webm",
}
_MEDIA_TYPES: Mapping[str, str] = {
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "mpga": "audio/mpeg",
    "mpeg": "video/mpeg",
    "m4a": "audio/mp4",
    "mp4": "video/mp4",
    "ogg": "audio/ogg",
    "wav": "audio/wav",
    "webm": "audio/webm",
}
_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"fLaC", "flac"),
    (b"ID3", "mp3"),
    (b"OggS", "ogg"),
    (b"\x1a\x45\xdf\xa3", "webm"),
    (b"\x00\x00\x01\xba", "mpeg"),
    (b"\x00\x00\x01\xb3", "mpeg"),
    (b"\xff\xfb", "mp3"),
    (b"\xff\xf3", "mp3"),
    (b"\xff\xf2", "mp3"),
    (b"\xff\xfa", "mp3"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A file of speech in one of the formats that transcription operations take."""

    content: bytes
    suffix: str

    @property
    def filename(self) -> str:
        """A name that tells the format."""
        return f"audio.{self.suffix}"

    @property
    def media_type(self) -> str:
        """The media type of the format."""
        return _MEDIA_TYPES[self.suffix]


def recording_of(content: bytes, *, declared: str) -> Recording:
    """Return the recording in `content`; its first bytes count more than the declared media type.

    Raises:
        CallFailed: `audio_too_large`, or `audio_invalid` for what is none of the formats.
    """
    if len(content) > RECORDING_BYTES_MAX:
        raise too_large()
    if not content:
        raise CallFailed("audio_invalid", "the audio is empty")
    suffix = _suffix_of(content) or _SUFFIXES.get(_bare(declared))
    if suffix is None:
        raise CallFailed(
            "audio_invalid",
            f"the audio, declared as {_bare(declared)[:80] or 'nothing'!r}, is none of flac, mp3, "
            "mp4, mpeg, mpga, m4a, ogg, wav and webm",
        )
    return Recording(content=content, suffix=suffix)


def read_data_uri(uri: str) -> Recording:
    """Return the recording in a base64 `data:` URI.

    Raises:
        CallFailed: `audio_invalid` or `audio_too_large`.
    """
    head, comma, data = uri.partition(",") if "," in uri[:_HEAD_CHARS_MAX] else ("", "", "")
    declared = head[len("data:") :]
    if not comma or not declared.lower().endswith(_BASE64):
        raise CallFailed("audio_invalid", "the audio's data: URI is not in base64")
    if len(data) > RECORDING_BYTES_MAX * 4 // 3 + 4:
        raise too_large()
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CallFailed("audio_invalid", "the audio's data: URI is not in base64") from error
    return recording_of(content, declared=declared[: -len(_BASE64)])


def too_large() -> CallFailed:
    """Return the failure of a recording that no transcription operation takes."""
    mib = RECORDING_BYTES_MAX // 1024 // 1024
    return CallFailed("audio_too_large", f"the audio is larger than {mib} MiB")


def _bare(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


def _suffix_of(content: bytes) -> str | None:
    if content.startswith(b"RIFF") and content[_RIFF_KIND] == b"WAVE":
        return "wav"
    if content[_FTYP] == b"ftyp":
        return "m4a" if content[_RIFF_KIND].startswith(b"M4A") else "mp4"
    return next((kind for begin, kind in _BEGINNINGS if content.startswith(begin)), None)
