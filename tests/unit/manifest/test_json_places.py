import time

import pytest

from manifest.json_gate import DEPTH_MAX, open_json
from manifest.json_places import member_at


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        (b'{"a": 1, "b": tru', ("b",)),
        (b'{"a": 1, "b": {"c": [1, ', ("b",)),
        (b'{"a": "x, \\"y\\": [", "b": "never ends', ("b",)),
        (b'\xef\xbb\xbf {"a" : [', ("a",)),
        ('{"ä": ['.encode(), ("ä",)),
        (b'{"\\ud800": [', ("?",)),
        (b'{"a": 1} more', ()),
        (b'{"a": 1, ', ()),
        (b'{"a": 1, "half a ke', ()),
        (b'{"' + b"k" * 1000 + b'": [', ()),
        (b"", ()),
        (b'["a", "b"', ()),
        (b'"a"', ()),
    ],
)
def test_a_text_that_ends_too_early_ends_in_a_member(raw: bytes, key: tuple[str, ...]) -> None:
    assert member_at(raw, len(raw), depth_max=DEPTH_MAX) == key


def test_what_is_nested_too_deep_is_the_member_also_when_others_follow() -> None:
    raw = b'{"a": 1, "deep": ' + b"[" * 10_000 + b"]" * 10_000 + b', "z": 1}'

    problems = open_json(raw, reason="BAD", bytes_max=100_000).problems

    assert [problem.location for problem in problems] == [("deep",)]


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        (b'{"a": 1, "b": 2 3}', ("b",)),
        (b'{"a": [1, 2', ("a",)),
        ('{"ä": "ä", "b": nil}'.encode(), ("b",)),
        (b'{"a": 1, "b": "\xff"}', ("b",)),
        (b'{"a": 1, "b": [' + b"{}," * 200_000 + b"{}]}", ("b",)),
    ],
)
def test_what_cannot_be_read_is_told_with_its_member(raw: bytes, key: tuple[str, ...]) -> None:
    (problem,) = open_json(raw, reason="BAD", bytes_max=1_000_000).problems

    assert problem.location == key


def test_a_text_of_millions_of_signs_is_given_up_early() -> None:
    raw = b'{"a": ' + b"[" + b"{}," * 3_000_000
    started = time.process_time()

    assert member_at(raw, len(raw), depth_max=DEPTH_MAX) == ("a",)
    assert time.process_time() - started < 2
