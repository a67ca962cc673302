import json

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from manifest.generation import (
    GENERATION_DEPTH_MAX,
    GenerationInvalid,
    GenerationSettings,
    parse_generation,
)
from manifest.schema import normalised_json
from proctor.events.v1.run_event_pb2 import RunEvent
from servicekit.errors import Violation


def settings(**given: object) -> GenerationSettings:
    return parse_generation(json.dumps(given).encode())


def problems(**given: object) -> list[Violation]:
    outcome = outcome_of(json.dumps(given).encode())
    return [] if isinstance(outcome, GenerationSettings) else list(outcome.violations)


def outcome_of(raw: bytes) -> GenerationSettings | GenerationInvalid:
    try:
        return parse_generation(raw)
    except GenerationInvalid as error:
        return error


@pytest.mark.parametrize(
    ("field", "inside", "outside"),
    [
        ("temperature", 0, -0.01),
        ("temperature", 2, 2.01),
        ("temperature", 1.5, True),
        ("top_p", 0, -0.01),
        ("top_p", 1, 1.01),
        ("max_output_tokens", 1, 0),
        ("max_output_tokens", 2.0, "2"),
        ("max_gen_toks", 1, 0),
        ("max_tool_calls", 1, 0),
        ("max_tool_calls", 300, 301),
        ("truncation", "auto", "none"),
        ("service_tier", "flex", "gold"),
        ("timeout_seconds", 1, 0),
        ("max_retries", 0, -1),
        ("max_empty_retries", 0, -1),
        ("stop", "a", 3),
        ("stop", ["a"], {"a": 1}),
        ("until", ["a"], "a"),
        ("tools", [{}], {}),
        ("extra_body", {}, []),
        ("chat_template_kwargs", {"enable_thinking": False}, 1),
        ("prefill_think", True, 1),
        ("prefill_think", "<think>", []),
        ("top_k", 40, 0.5),
        ("min_p", 0.5, "x"),
        ("do_sample", False, "false"),
        ("use_cache", True, 1),
    ],
)
def test_a_setting_is_checked(field: str, inside: object, outside: object) -> None:
    assert problems(**{field: inside}) == []
    assert [(v.path, v.reason) for v in problems(**{field: outside})] == [
        (f"generation.{field}", "INVALID_GENERATION")
    ]


def test_all_problems_are_reported_at_once() -> None:
    found = problems(temperature=3, stop=["a", 1], max_retries=-1)

    assert {v.path for v in found} == {
        "generation.temperature",
        "generation.stop[1]",
        "generation.max_retries",
    }


def test_the_error_names_the_first_field() -> None:
    with pytest.raises(GenerationInvalid) as caught:
        settings(temperature=3)

    assert caught.value.metadata["param"] == "generation.temperature"


@pytest.mark.parametrize("raw", [b"", b"{}"])
def test_no_settings_are_fine(raw: bytes) -> None:
    controls = parse_generation(raw).controls

    assert (controls.timeout_s, controls.max_retries, controls.max_empty_retries) == (120, 2, 1)


def test_controls_are_capped_and_a_zero_is_kept() -> None:
    controls = settings(timeout_seconds=2**60, max_retries=2**60, max_empty_retries=0).controls

    assert (controls.timeout_s, controls.max_retries, controls.max_empty_retries) == (86400, 100, 0)


def test_an_unknown_key_is_kept_and_not_sent() -> None:
    given = settings(num_beams=4)

    assert json.loads(normalised_json(given)) == {"num_beams": 4}
    assert "num_beams" not in given.upstream_body(model="m", prompt="p")


def test_the_body_has_what_was_set_and_nothing_else() -> None:
    given = settings(
        temperature=0, max_gen_toks=512, until=["\n"], do_sample=False, timeout_seconds=9
    )

    body = given.upstream_body(model="m", prompt="p", metadata={"eval_run_id": "r"})

    assert body == {
        "model": "m",
        "input": "p",
        "stream": False,
        "background": False,
        "store": True,
        "temperature": 0,
        "max_output_tokens": 512,
        "do_sample": False,
        "stop": ["\n"],
        "metadata": {"eval_run_id": "r"},
    }


def test_max_output_tokens_wins_over_its_alias() -> None:
    given = settings(max_output_tokens=5, max_gen_toks=7)

    assert given.upstream_body(model="m", prompt="p")["max_output_tokens"] == 5


def test_stop_sequences_are_the_union_of_both_names() -> None:
    assert settings(stop="a", until=["b", "a", ""]).stop_sequences == ("a", "b")


def test_bodies_of_one_run_do_not_share_what_can_change() -> None:
    given = settings(temperature=1)

    given.upstream_body(model="m", prompt="p")["temperature"] = 2

    assert given.upstream_body(model="m", prompt="p")["temperature"] == 1


@given(st.binary(max_size=80))
def test_any_bytes_are_settings_or_problems(raw: bytes) -> None:
    outcome = outcome_of(raw)

    assert isinstance(outcome, GenerationSettings) or outcome.violations


@pytest.mark.parametrize("field", ["extra_body", "tool_choice", "mystery"])
@pytest.mark.parametrize(("levels", "fits"), [(23, True), (24, False), (60, False)])
def test_settings_nested_deeper_than_an_event_can_tell_are_refused(
    field: str,
    levels: int,
    fits: bool,  # noqa: FBT001
) -> None:
    value: object = 1
    for _ in range(levels):
        value = {"a": value}

    found = problems(**{field: value})

    if fits:
        assert found == []
    else:
        assert [problem.path for problem in found] == [f"generation.{field}"]
        assert "deeper than 24 levels" in found[0].message


@pytest.mark.parametrize("as_list", [True, False])
def test_the_deepest_settings_fit_into_a_protobuf_struct(as_list: bool) -> None:  # noqa: FBT001
    value: object = 1
    for _ in range(GENERATION_DEPTH_MAX - 1):
        value = [value] if as_list else {"a": value}
    raw = json.dumps({"mystery": value})
    parse_generation(raw.encode())

    event = RunEvent()
    struct = event.generation
    json_format.Parse(raw, struct)

    assert RunEvent.FromString(event.SerializeToString()) == event
