import json
import logging
from collections.abc import Callable, Iterator

import pytest
import structlog

from servicekit.logs import HIDDEN, bind_log_fields, configure_logs, get_logger

Lines = Callable[[], list[dict[str, object]]]
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    handlers, level = logging.root.handlers[:], logging.root.level
    config = structlog.get_config()
    yield
    structlog.configure(**config)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def configured(capsys: Capture) -> Lines:
    """Logs as JSON; what it returns reads them. Called in the test: capsys begins anew with it."""
    configure_logs("orchestrator", "INFO", json=True)
    return lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_an_event_is_one_json_object_with_its_service(capsys: Capture) -> None:
    lines = configured(capsys)
    get_logger("orchestrator.grade").info("sample_graded", outcome="scored")

    (line,) = lines()
    assert line["event"] == "sample_graded"
    assert line["service"] == "orchestrator"
    assert line["component"] == "orchestrator.grade"
    assert line["outcome"] == "scored"
    assert str(line["time"]).endswith("Z")


def test_bound_ids_are_on_every_event_of_the_block_and_not_after(capsys: Capture) -> None:
    lines = configured(capsys)
    log = get_logger("orchestrator")

    with bind_log_fields(run_id="run_1"), bind_log_fields(sample_id="s_1"):
        log.info("inside")
    log.info("outside")

    inside, outside = lines()
    assert (inside["run_id"], inside["sample_id"]) == ("run_1", "s_1")
    assert "run_id" not in outside


@pytest.mark.parametrize(
    "field", ["run_token", "api_key", "KEY_PEPPER", "Authorization", "internal_secret"]
)
def test_a_field_whose_name_speaks_of_a_secret_is_hidden(capsys: Capture, field: str) -> None:
    lines = configured(capsys)
    get_logger("gateway").info("called", **{field: "hunter2"})

    (line,) = lines()
    assert line[field] == HIDDEN


def test_numbers_of_model_tokens_are_shown(capsys: Capture) -> None:
    lines = configured(capsys)
    get_logger("gateway").info("answered", output_tokens=17)

    (line,) = lines()
    assert line["output_tokens"] == 17


def test_lines_of_libraries_have_the_same_form(capsys: Capture) -> None:
    lines = configured(capsys)
    with bind_log_fields(request_id="req_1"):
        logging.getLogger("some.library").warning("pool is %s", "full")

    (line,) = lines()
    assert (line["event"], line["level"], line["request_id"]) == (
        "pool is full",
        "warning",
        "req_1",
    )


def test_events_below_the_level_are_dropped(capsys: Capture) -> None:
    lines = configured(capsys)
    get_logger("gateway").debug("detail")

    assert lines() == []


@pytest.mark.parametrize("as_json", [True, False])
def test_a_traceback_shows_no_local_variable(capsys: Capture, *, as_json: bool) -> None:
    configure_logs("gateway", "INFO", json=as_json)

    def fail(password: str) -> None:
        raise ValueError(len(password))

    try:
        fail("hunter" + str(2))
    except ValueError:
        get_logger("gateway").exception("failed")

    printed = capsys.readouterr().err
    assert "ValueError" in printed
    assert "hunter2" not in printed


def test_an_unknown_level_stops_the_start() -> None:
    with pytest.raises(KeyError):
        configure_logs("gateway", "LOUD", json=True)
