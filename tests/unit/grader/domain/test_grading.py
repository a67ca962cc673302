import orjson
import pytest

from grader.domain.grading import (
    GraderInvalid,
    GradeSample,
    GradeTask,
    digest,
    grader_program,
    imported_modules,
    isolation,
    model_access,
    timeout_s,
)
from grader.domain.isolation import Isolation
from grader.domain.strict_json import Json

GRADER = {"type": "python", "source": "def grade(s, i): return 1", "metric_id": "score"}


def test_the_source_is_the_programs_and_the_rest_its_settings() -> None:
    program, settings = grader_program(orjson.dumps(GRADER), b'{"type":"number"}')

    assert orjson.loads(program) == {
        "source": GRADER["source"],
        "grader": {"type": "python", "metric_id": "score"},
        "extraction": {"type": "number"},
        "imports": [],
    }
    assert settings == {"type": "python", "metric_id": "score"}


def test_no_extraction_is_none() -> None:
    program, _ = grader_program(orjson.dumps(GRADER), b"")

    assert orjson.loads(program)["extraction"] is None


@pytest.mark.parametrize(
    ("grader", "extraction"),
    [
        (b"", b""),
        (b"{", b""),
        (b"[]", b""),
        (b'{"type":"python"}', b""),
        (b'{"source":1}', b""),
        (b'{"source":"x","source":"y"}', b""),
        (b'{"source":"x"}', b"["),
        (b'{"source":"x"}', b"1"),
    ],
)
def test_what_cannot_be_read_is_refused(grader: bytes, extraction: bytes) -> None:
    with pytest.raises(GraderInvalid):
        grader_program(grader, extraction)


def test_settings_that_are_left_out_have_the_contracts_defaults() -> None:
    access = model_access({}, judge_model=None, embedding_model="e")

    assert timeout_s({}) == 120.0
    assert (access.allowed, access.calls_max, access.embedding_model) == (False, 64, "e")


def test_settings_that_are_given_count() -> None:
    settings: dict[str, Json] = {"timeout_seconds": 3, "model_access": "mka1", "max_model_calls": 0}

    access = model_access(settings, judge_model="j", embedding_model=None)

    assert timeout_s(settings) == 3.0
    assert (access.allowed, access.calls_max) == (True, 0)


def test_a_limit_that_is_no_number_is_refused() -> None:
    with pytest.raises(GraderInvalid):
        timeout_s({"timeout_seconds": "3"})
    with pytest.raises(GraderInvalid):
        timeout_s({"timeout_seconds": True})


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({}, Isolation.FRESH), ({"isolation": None}, Isolation.FRESH)]
    + [({"isolation": one.value}, one) for one in Isolation],
)
def test_executions_start_as_the_settings_say(
    settings: dict[str, Json], expected: Isolation
) -> None:
    assert isolation(settings) is expected


@pytest.mark.parametrize("unknown", ["none", "FRESH", 1, True, ["fresh"]])
def test_an_isolation_that_nobody_knows_is_refused(unknown: Json) -> None:
    with pytest.raises(GraderInvalid, match="isolation"):
        isolation({"isolation": unknown})


@pytest.mark.parametrize(("timeout_s", "body_s"), [(5.0, 5.0), (60.0, 60.0), (600.0, 60.0)])
def test_a_body_that_runs_once_has_the_time_of_an_execution_up_to_a_minute(
    timeout_s: float, body_s: float
) -> None:
    task = GradeTask(
        team_id="o/t",
        run_id="r",
        program=b"{}",
        facts=b"{}",
        timeout_s=timeout_s,
        access=model_access({}, judge_model=None, embedding_model=None),
        run_token="",
        aggregate=False,
        concurrency=1,
        digest="d",
    )

    limits = task.preload_limits(memory_bytes=7)

    assert (limits.wall_s, limits.memory_bytes) == (body_s, 7)


def test_a_program_is_named_by_its_content() -> None:
    assert digest(b"a") == digest(b"a") != digest(b"b")


def test_a_sample_travels_as_one_line_with_its_row_untouched() -> None:
    sample = GradeSample(
        sample_id="s",
        sample_index=3,
        row=b'{"n":1180591620717411303424}',
        prompt="p",
        target=None,
        choices=b"",
        output_text="o\n",
        response_id=None,
        usage={"input_tokens": 1},
    )

    line = sample.encoded()

    assert b"\n" not in line
    assert b'"row":{"n":1180591620717411303424}' in line
    assert orjson.loads(line)["choices"] is None


def test_the_modules_of_a_program_are_guessed_from_its_text() -> None:
    source = (
        "import re, json as j\n"
        "from collections.abc import Mapping\n"
        "def grade(s, i):\n"
        "    import statistics\n"
        "    important = 1\n"
        "async def other(): pass\n"
    )

    assert imported_modules(source) == ["asyncio", "collections.abc", "json", "re", "statistics"]
    assert imported_modules("def grade(s, i): return 1") == []
