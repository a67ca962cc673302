import json
import time

import pytest

from gateway.inbound.agents.trajectory_body import (
    TRAJECTORY_BYTES_MAX,
    VALUES_MAX,
    TrajectoryTooLarge,
    read_trajectory,
)
from gateway.inbound.rest.bodies import BodyInvalid


def refusal(raw: bytes) -> str:
    with pytest.raises(BodyInvalid) as refused:
        read_trajectory(raw)
    return refused.value.violations[0].message


@pytest.mark.parametrize(
    "steps",
    [
        "[]",
        "[ ]",
        '["}", "]", "\\"steps\\":[", "\\\\"]',
        '[{"steps": [1, {"logs": {}}]}, ",:"]',
        "[1.10, 1E+5, -0, 123456789012345678901234567890]",
        '["\\u0000\\/é\U0001f642"]',
        "[\n\t1 ,\r\n 2]",
    ],
)
@pytest.mark.parametrize("logs", ["null", "{}", '{"a": "}", "b\\"c": "[,"}'])
@pytest.mark.parametrize("order", ["steps first", "logs first"])
def test_steps_and_logs_are_cut_out_as_they_are(steps: str, logs: str, order: str) -> None:
    members = [f'"steps" : {steps} ', f'"logs":{logs}', '"schema_version":"v"']
    members = members if order == "steps first" else [members[1], members[2], members[0]]

    sent = read_trajectory(f" {{{','.join(members)}}}\n".encode())

    assert sent.steps_json == steps.encode()
    assert sent.logs_json == (None if logs == "null" else logs.encode())
    assert sent.step_count == len(json.loads(steps))
    assert sent.schema_version == "v"


def test_a_key_may_be_written_with_escapes() -> None:
    assert read_trajectory(b'{"\\u0073teps":[1]}').steps_json == b"[1]"


def test_a_member_that_comes_twice_is_refused() -> None:
    assert refusal(b'{"logs":{},"steps":[],"logs":{}}') == "logs occurs more than once"


def test_a_text_of_many_escapes_is_one_value() -> None:
    steps = b'["' + b'\\n{,["'.replace(b'"', b'\\"') * 300_000 + b'"]'

    assert read_trajectory(b'{"steps":' + steps + b"}").steps_json == steps


def test_more_values_than_can_be_held_are_refused_before_they_are_built() -> None:
    raw = b'{"steps":[' + b"[]," * VALUES_MAX + b"1]}"

    assert refusal(raw) == f"steps has more than {VALUES_MAX} values"


def test_deep_nesting_is_refused_at_its_member() -> None:
    deep = b"[" * 65 + b"]" * 65

    assert refusal(b'{"steps":' + deep + b"}") == "steps is nested deeper than 64 levels"


def test_the_limit_counts_steps_and_logs_together() -> None:
    def body(excess: int) -> bytes:
        logs = b'{"l":"' + b"x" * 1000 + b'"}'
        steps = b'["' + b"s" * (TRAJECTORY_BYTES_MAX - len(logs) - 4 + excess) + b'"]'
        return b'{"steps":' + steps + b',"logs":' + logs + b"}"

    sent = read_trajectory(body(0))
    assert len(sent.steps_json) + len(sent.logs_json or b"") == TRAJECTORY_BYTES_MAX
    with pytest.raises(TrajectoryTooLarge):
        read_trajectory(body(1))


def test_a_text_that_does_not_end_is_read_once_whatever_is_in_it() -> None:
    # Read on from each of its quotes it would take minutes.
    began = time.monotonic()

    with pytest.raises(BodyInvalid, match="is not valid JSON"):
        read_trajectory(b'{"steps": ["' + b'\\"' * 200_000)

    assert time.monotonic() - began < 30
