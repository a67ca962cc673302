from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest

from importer.domain.hub_datasets.media import media_type
from importer.domain.hub_datasets.values import Origin, json_row
from importer.domain.json_row import RowInvalid

ORIGIN = Origin("https://hub/datasets/a/b/resolve/c")


def shown(value: object) -> object:
    return json_row({"v": value}, ORIGIN)["v"]


@pytest.mark.parametrize(
    ("value", "json"),
    [
        (2**63, 2**63),
        (True, True),
        (float("inf"), None),
        (b"\xff", "/w=="),
        (date(2026, 1, 2), "2026-01-02"),
        (time(1, 2, 3), "01:02:03"),
        (datetime(2026, 1, 2, 3), "2026-01-02T03:00:00"),  # noqa: DTZ001 - of no known zone
        (datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=2))), "2026-01-02T01:00:00Z"),
        (timedelta(milliseconds=1500), 1.5),
        (Decimal("0.10"), "0.10"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ({1: [{"x": b"a"}]}, {"1": [{"x": "YQ=="}]}),
        ({"bytes": b"fLaC", "path": None}, "data:audio/flac;base64,ZkxhQw=="),
        ({"bytes": None, "path": "d/a b.png"}, f"{ORIGIN.address}/d/a%20b.png"),
        ({"bytes": None, "path": "https://x/y.png"}, "https://x/y.png"),
        ({"bytes": None, "path": None}, None),
        ({"bytes": 3, "path": "text"}, {"bytes": 3, "path": "text"}),
        ({"bytes": b"a", "path": "p", "more": 1}, {"bytes": "YQ==", "path": "p", "more": 1}),
    ],
)
def test_each_type_has_one_form(value: object, json: object) -> None:
    assert shown(value) == json


def test_what_cannot_be_shown_is_refused() -> None:
    deep: object = 1
    for _ in range(100):
        deep = [deep]

    with pytest.raises(RowInvalid, match="deeper than 60"):
        shown(deep)
    with pytest.raises(RowInvalid, match="type object"):
        shown(object())


@pytest.mark.parametrize(
    ("content", "name", "kind"),
    [
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "", "audio/wav"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "", "image/webp"),
        (b"\x00\x00\x00\x20ftypM4A ", "", "audio/mp4"),
        (b"\xff\xd8\xff\xe0", "wrong.png", "image/jpeg"),
        (b"??", "a.png", "image/png"),
        (b"??", "", "application/octet-stream"),
    ],
)
def test_the_first_bytes_tell_the_media_type_before_the_name(
    content: bytes, name: str, kind: str
) -> None:
    assert media_type(content, name) == kind


def test_the_time_zone_is_utc_in_every_text() -> None:
    assert shown(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02T00:00:00Z"
