"""Where rows have audio, and what is left of a row whose audio is kept apart."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import orjson

from orchestrator.domain.work import Item
from servicekit.errors import Kind, ServiceError

Row = Mapping[str, object]

SHOWN_BYTES_MAX = 15 * 1024 * 1024  # a message between services ends at 16 MiB

AUDIO_MISSING = "audio_missing"
AUDIO_INVALID = "audio_invalid"

_REDACTED = "[redacted]"
_DATA = "data:"
_URL = re.compile(r"https?://\S", re.IGNORECASE)
_SUFFIXES = ("flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "wav", "webm")
_AUDIO_URL = re.compile(rf"[^?#]+\.({'|'.join(_SUFFIXES)})([?#].*)?", re.IGNORECASE)
_AUDIO_TYPE = re.compile(r"(audio/|video/|application/ogg)", re.IGNORECASE)
# The names under which libraries of datasets put the place of a file.
_PLACES = ("url", "src", "audio", "path")


class AudioNotFound(ServiceError):
    """The sample's row has no audio."""

    kind = Kind.NOT_FOUND
    reason = "AUDIO_NOT_FOUND"

    def __init__(self, run_id: str, sample_index: int) -> None:
        message = f"the row of sample {sample_index} of run {run_id} has no audio"
        super().__init__(message, run_id=run_id, sample_index=sample_index)


class AudioTooLarge(ServiceError):
    """The audio of a row cannot be shown."""

    kind = Kind.OUT_OF_RANGE
    reason = "AUDIO_TOO_LARGE"

    def __init__(self, size_bytes: int) -> None:
        message = f"the audio has {size_bytes} bytes, at most {SHOWN_BYTES_MAX} can be shown"
        super().__init__(message, size_bytes=size_bytes, bytes_max=SHOWN_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class ShownAudio:
    """The audio of a sample, a `data:` URI or an http(s) URL, and which sample it is."""

    audio: str
    task_id: str
    model: str


@dataclass(frozen=True, slots=True)
class Transcription:
    """What speech models are told besides the audio.

    Attributes:
        language: Code of the language that is spoken; None for one that they have to find out.
        prompted: Whether they get the item's prompt, as a hint.
    """

    language: str | None
    prompted: bool

    def to_json(self) -> bytes:
        """Return it as JSON."""
        return orjson.dumps({"language": self.language, "prompted": self.prompted})

    @classmethod
    def of_json(cls, document: bytes) -> "Transcription":
        """Read what `to_json` wrote."""
        told = orjson.loads(document)
        return cls(language=told.get("language"), prompted=told.get("prompted", False))


def audio_in(cell: object) -> str | None:
    """Return the audio that a cell of a row has or names: a `data:` URI or an http(s) URL.

    It may be the text itself, an object with it under `url`, `src`, `audio` or `path`, one with the
    file's content in base64 as `bytes`, or a list whose first entry is one of these.
    """
    match cell:
        case str() if cell[: len(_DATA)].lower() == _DATA or _URL.match(cell):
            return cell
        case {"bytes": str(content), **further} if content:
            named = further.get("path")
            return f"data:{_type_of(named if isinstance(named, str) else '')};base64,{content}"
        case dict():
            places = (cell.get(name) for name in _PLACES)
            return next((place for place in map(audio_in, places) if place), None)
        case [first, *_]:
            return audio_in(first)
    return None


def audio_of(row: Row, column: str | None) -> str | None:
    """Return a row's audio: that of `column`, else of the first column that seems to hold audio."""
    if column is not None and (found := audio_in(row.get(column))):
        return found
    return next((audio_in(cell) for cell in row.values() if _seems_audio(cell)), None)


def with_audio_apart(item: Item, column: str) -> Item:
    """Return an item of a transcription task with its audio beside its row.

    What is written into the row is left out of it: it has megabytes, and lists and graders get the
    row. An item without audio that can be sent becomes one whose samples fail in prepare.
    """
    if item.error_code is not None:
        return item
    row = orjson.loads(item.row_json)
    if row.get(column) in (None, "", [], {}):
        return _failed(item, AUDIO_MISSING, f"the row has nothing in its column {column!r}")
    audio = audio_in(row[column])
    if audio is None:
        problem = "has neither a data: URI nor an http(s) URL, nor an object with one"
        return _failed(item, AUDIO_INVALID, f"the row's column {column!r} {problem}")
    if _is_data(audio):
        row[column] = _without_data(row[column])
        return replace(item, row_json=orjson.dumps(row).decode(), audio=audio)
    return replace(item, audio=audio)


def _failed(item: Item, code: str, message: str) -> Item:
    return replace(item, prompt="", target=None, error_code=code, error_message=message)


def _is_data(audio: str) -> bool:
    return audio[: len(_DATA)].lower() == _DATA


def _without_data(cell: object) -> object:
    match cell:
        case str() if _is_data(cell):
            return f"{cell.partition(',')[0][:256]},{_REDACTED}"
        case {"bytes": str(), **further}:
            return {"bytes": _REDACTED, **further}
        case dict():
            return {name: _without_data(value) for name, value in cell.items()}
        case list():
            return [_without_data(entry) for entry in cell]
    return cell


def _seems_audio(cell: object) -> bool:
    match cell:
        case str():
            audio: str | None = cell
        case {"type": str(kind)} if not _AUDIO_TYPE.match(kind):
            return False
        case {"type": str()}:
            return audio_in(cell) is not None
        case _:
            audio = audio_in(cell)
    if audio is None:
        return False
    if _is_data(audio):
        return _AUDIO_TYPE.match(audio[len(_DATA) :]) is not None
    return _URL.match(audio) is not None and _AUDIO_URL.fullmatch(audio) is not None


def _type_of(path: str) -> str:
    suffix = path.rpartition(".")[2].lower()
    # The first bytes tell the format where the name does not.
    return f"audio/{suffix}" if suffix in _SUFFIXES else "audio/mpeg"
