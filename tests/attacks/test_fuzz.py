"""Whatever comes out of a jail, the host takes it for what it is or refuses it by name."""

import asyncio
import math
import socket
from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.domain.checking import Program, ProgramKind, read_verdict
from grader.domain.grading import SampleResult
from grader.domain.model_calls import Method, ModelAccess, Refusal, checked_body
from grader.domain.preparing import read_end, read_items
from grader.domain.result import InvalidResult, read_error, read_graded
from grader.domain.strict_json import Json, NotStrictJson, encode, parse
from grader.inbound.translation import item_message, outcome_message
from grader.jail.frames import LENGTH, FrameStream, FrameTooLong

FRAME_BYTES_MAX = 1_000
KNOWN_WORDS = st.sampled_from(
    [
        *("result", "emit", "call", "error", "code", "message", "scores", "judge", "model"),
        *("extracted_output", "stage", "traceback", "row", "prompt", "target", "choices"),
        *("sample_index", "violations", "entrypoints", "path", "reason", "template_error"),
        *("grader_error", "manifest.x"),
    ]
)
numbers = (
    st.integers(min_value=-(10**40), max_value=10**40)
    | st.integers(0, 2)
    | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    st.none() | st.booleans() | numbers | KNOWN_WORDS | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(KNOWN_WORDS | st.text(), inner, max_size=5)
    ),
    max_leaves=30,
)
scores = st.dictionaries(st.text(max_size=200), values | numbers, max_size=4)
graded = st.fixed_dictionaries(
    {},
    optional={
        "scores": scores,
        "extracted_output": values,
        "judge": values,
        "error": st.none() | st.dictionaries(KNOWN_WORDS, values, max_size=5) | values,
    },
)
items = st.lists(
    st.fixed_dictionaries(
        {"sample_index": st.integers(0, 2) | values, "row": values, "prompt": values},
        optional={"target": values, "choices": values, "error": values},
    ),
    max_size=3,
)
PROGRAM = Program(path="manifest.x", kind=ProgramKind.GRADER, source="", contract="", group_json="")
ACCESS = ModelAccess(allowed=True, judge_model="j", embedding_model=None, calls_max=1)


@given(pieces=st.lists(st.binary(max_size=60), max_size=8), framed=st.booleans())
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_any_stream_ends_as_frames_a_refusal_or_a_hang_up(
    *, pieces: Sequence[bytes], framed: bool
) -> None:
    wire = [LENGTH.pack(len(piece)) + piece for piece in pieces] if framed else list(pieces)

    received = asyncio.run(_received(wire))

    if framed:
        assert received == list(pieces)
    assert sum(len(frame) + LENGTH.size for frame in received) <= sum(map(len, wire))


@given(st.integers(FRAME_BYTES_MAX + 1, 2**32 - 1), st.binary(max_size=10))
@settings(deadline=None)
def test_a_frame_that_is_too_long_is_refused_by_its_first_four_bytes(
    length: int, rest: bytes
) -> None:
    with pytest.raises(FrameTooLong):
        asyncio.run(_received([LENGTH.pack(length) + rest], strict=True))


@given(graded | values)
def test_any_result_is_one_that_can_be_passed_on_or_none(value: Json) -> None:
    try:
        read = read_graded(_through_json(value))
    except InvalidResult:
        return
    assert all(
        not isinstance(score, bool) and math.isfinite(score) and 1 <= len(name) <= 128
        for name, score in read.scores.items()
    )
    assert (read.failure is None) or not read.scores
    outcome_message(SampleResult(sample_id="s", graded=read, run_time_s=1)).SerializeToString()


@given(items | values)
def test_any_items_can_be_passed_on_or_are_none(value: Json) -> None:
    try:
        read = read_items(_through_json(value), first=0)
    except InvalidResult:
        return
    assert [item.sample_index for item in read] == list(range(len(read)))
    for item in read:
        item_message(item).SerializeToString()


@pytest.mark.parametrize(
    "reader",
    [
        read_end,
        read_error,
        lambda value: read_verdict(value, [PROGRAM]),
        lambda value: checked_body(ACCESS, Method.RESPONSES, value, calls_made=0),
    ],
    ids=["end", "error", "verdict", "request"],
)
@given(value=values)
def test_any_other_answer_is_read_or_refused(reader: Callable[[Json], object], value: Json) -> None:
    try:
        reader(_through_json(value))
    except (InvalidResult, Refusal):
        return


def _through_json(value: Json) -> Json:
    try:
        return parse(encode(value))
    except NotStrictJson:
        return None


async def _received(wire: Sequence[bytes], *, strict: bool = False) -> list[bytes]:
    """The frames that the host sees when a child writes `wire` and hangs up."""
    host, child = socket.socketpair()
    stream = FrameStream(host, frame_bytes_max=FRAME_BYTES_MAX)
    for piece in wire:
        child.sendall(piece)
    child.close()
    frames: list[bytes] = []
    try:
        while (frame := await stream.receive()) is not None:
            frames.append(frame)
    except FrameTooLong:
        if strict:
            raise
    finally:
        stream.close()
    return frames
