import json

import pytest

from orchestrator.domain.audio import Transcription, audio_in, audio_of, with_audio_apart
from orchestrator.domain.work import Item

URI = "data:audio/wav;base64,UklGRg=="
URL = "https://audio.example.com/1.wav"


def item(**row: object) -> Item:
    return Item(sample_index=0, row_json=json.dumps(row), prompt="p", target="t", choices_json=None)


@pytest.mark.parametrize(
    ("cell", "audio"),
    [
        (URI, URI),
        (URL, URL),
        ("HTTP://x/y", "HTTP://x/y"),
        ({"src": URL, "type": "audio/wav"}, URL),
        ([{"src": URL, "type": "audio/wav"}, {"src": "other"}], URL),
        ({"url": URI}, URI),
        ({"path": URL, "bytes": None}, URL),
        ({"path": "clip.flac", "bytes": "ZkxhQw=="}, "data:audio/flac;base64,ZkxhQw=="),
        ({"path": None, "bytes": "ZkxhQw=="}, "data:audio/mpeg;base64,ZkxhQw=="),
        ({"path": "clip.flac", "bytes": None}, None),
        ("clip.wav", None),
        ("", None),
        (7, None),
        (None, None),
        ([], None),
        ({}, None),
    ],
)
def test_audio_is_found_as_datasets_write_it(cell: object, audio: str | None) -> None:
    assert audio_in(cell) == audio


def test_the_named_column_comes_first_and_then_what_seems_to_be_audio() -> None:
    row = {
        "page": "https://example.com/about",
        "picture": "data:image/png;base64,AAAA",
        "photo": {"src": "https://example.com/1", "type": "image/png"},
        "clip": {"src": "https://example.com/2", "type": "audio/wav"},
        "voice": URI,
    }

    assert audio_of(row, "voice") == URI
    assert audio_of(row, None) == "https://example.com/2"
    assert audio_of(row, "gone") == "https://example.com/2"
    assert audio_of({**row, "clip": "x"}, None) == URI
    assert audio_of({"a": "https://h/talk.mp3?sig=1"}, None) == "https://h/talk.mp3?sig=1"
    assert audio_of({"page": row["page"], "picture": row["picture"]}, None) is None


def test_what_is_written_into_a_row_is_kept_beside_it() -> None:
    apart = with_audio_apart(item(clip=URI, text="hello"), "clip")

    assert json.loads(apart.row_json) == {
        "clip": "data:audio/wav;base64,[redacted]",
        "text": "hello",
    }
    assert (apart.audio, apart.error_code) == (URI, None)


@pytest.mark.parametrize(
    ("cell", "left"),
    [
        (
            {"path": "a.wav", "bytes": "UklGRg=="},
            {"path": "a.wav", "bytes": "[redacted]"},
        ),
        ([{"src": URI}], [{"src": "data:audio/wav;base64,[redacted]"}]),
        ("data:" + "x" * 1000, "data:" + "x" * 251 + ",[redacted]"),
    ],
)
def test_no_form_of_audio_stays_in_the_row(cell: object, left: object) -> None:
    assert json.loads(with_audio_apart(item(clip=cell), "clip").row_json) == {"clip": left}


def test_a_url_stays_in_its_row() -> None:
    apart = with_audio_apart(item(clip=URL), "clip")

    assert json.loads(apart.row_json) == {"clip": URL}
    assert apart.audio == URL


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({}, "audio_missing"),
        ({"clip": None}, "audio_missing"),
        ({"clip": ""}, "audio_missing"),
        ({"clip": "1.wav"}, "audio_invalid"),
        ({"clip": 7}, "audio_invalid"),
        ({"clip": {"path": "1.wav"}}, "audio_invalid"),
    ],
)
def test_a_row_without_audio_fails_in_prepare(row: dict[str, object], code: str) -> None:
    apart = with_audio_apart(item(**row), "clip")

    assert (apart.error_code, apart.audio) == (code, None)
    assert "'clip'" in str(apart.error_message)
    assert json.loads(apart.row_json) == row


def test_an_error_of_the_templates_stays_the_item_s_error() -> None:
    failed = Item(
        sample_index=0,
        row_json="{}",
        prompt="",
        target=None,
        choices_json=None,
        error_code="template_error",
        error_message="no",
    )

    assert with_audio_apart(failed, "clip") == failed


def test_audio_that_could_not_travel_is_an_error_of_its_item() -> None:
    apart = with_audio_apart(item(clip=f"data:,{'A' * 7_000_000}"), "clip").bounded()

    assert (apart.error_code, apart.audio) == ("template_error", None)
    assert str(apart.error_message).startswith("audio: 7000006 bytes are too many")


def test_what_speech_models_are_told_survives_as_json() -> None:
    for told in (Transcription("uk", prompted=True), Transcription(None, prompted=False)):
        assert Transcription.of_json(told.to_json()) == told
