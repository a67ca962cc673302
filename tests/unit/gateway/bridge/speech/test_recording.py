import base64

import pytest

from gateway.bridge.call import CallFailed
from gateway.bridge.speech.recording import RECORDING_BYTES_MAX, read_data_uri, recording_of

WAV = b"RIFF\x24\x00\x00\x00WAVEfmt "


def uri(content: bytes, media_type: str = "audio/wav") -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


@pytest.mark.parametrize(
    ("content", "suffix"),
    [
        (b"fLaC\x00", "flac"),
        (b"ID3\x04", "mp3"),
        (b"\xff\xfb\x90", "mp3"),
        (b"\x00\x00\x00\x20ftypisom", "mp4"),
        (b"\x00\x00\x00\x20ftypM4A ", "m4a"),
        (b"\x00\x00\x01\xba", "mpeg"),
        (b"OggS\x00", "ogg"),
        (WAV, "wav"),
        (b"\x1a\x45\xdf\xa3", "webm"),
    ],
)
def test_a_format_is_told_by_its_first_bytes_whatever_was_declared(
    content: bytes, suffix: str
) -> None:
    for declared in ("application/octet-stream", "", "audio/flac", "text/html"):
        assert recording_of(content, declared=declared).filename == f"audio.{suffix}"


@pytest.mark.parametrize(
    ("declared", "filename", "media_type"),
    [
        ("audio/mpeg", "audio.mp3", "audio/mpeg"),
        ("AUDIO/MPGA", "audio.mpga", "audio/mpeg"),
        ("audio/x-wav; rate=8000", "audio.wav", "audio/wav"),
        ("video/webm;codecs=opus", "audio.webm", "audio/webm"),
    ],
)
def test_without_known_first_bytes_the_declared_type_tells_the_format(
    declared: str, filename: str, media_type: str
) -> None:
    recording = recording_of(b"padding", declared=declared)

    assert (recording.filename, recording.media_type) == (filename, media_type)


@pytest.mark.parametrize("declared", ["text/html", "", "application/octet-stream", "image/png"])
def test_what_is_no_audio_is_refused_with_what_it_was_declared_as(declared: str) -> None:
    with pytest.raises(CallFailed) as failure:
        recording_of(b"<html>", declared=declared)

    assert failure.value.code == "audio_invalid"
    assert (declared or "nothing") in failure.value.message


def test_a_data_uri_holds_a_recording() -> None:
    recording = read_data_uri(uri(WAV, "audio/x-wav;charset=x"))

    assert recording.content == WAV
    assert recording.filename == "audio.wav"


@pytest.mark.parametrize(
    "broken",
    [
        "data:audio/wav,RIFF",
        "data:audio/wav;base64",
        "data:audio/wav;base64,UklGR",
        "data:audio/wav;base64,####",
        "data:audio/wav;base64,é",
        "data:audio/wav;base64,",
        "data:" + "a" * 400 + ";base64,UklG",
        "data:,",
    ],
)
def test_a_data_uri_that_cannot_be_read_is_refused(broken: str) -> None:
    with pytest.raises(CallFailed) as failure:
        read_data_uri(broken)

    assert failure.value.code == "audio_invalid"


def test_25_mib_are_taken_and_one_byte_more_is_too_large() -> None:
    most = WAV.ljust(RECORDING_BYTES_MAX, b"\0")

    assert len(read_data_uri(uri(most)).content) == RECORDING_BYTES_MAX
    for content in (most + b"\0", most + b"\0" * 1000):
        with pytest.raises(CallFailed) as failure:
            read_data_uri(uri(content))
        assert failure.value.code == "audio_too_large"
