import json
from collections.abc import Callable
from pathlib import Path

import pytest

from unit.cli.terminal import Terminal

WriteSuite = Callable[..., Path]
SCHEDULE = "eval_schedule_0"


@pytest.fixture
def nightly(terminal: Terminal, suite_file: WriteSuite) -> Terminal:
    """A terminal whose server has one schedule."""
    terminal.run("suites", "create", str(suite_file()))
    when = ("--cron", "30 2 * * *", "--timezone", "Europe/Berlin")
    assert terminal.run("schedules", "create", "sums", "-m", "small", *when) == 0
    return terminal


def test_a_schedule_is_created_of_a_suite_by_its_name(nightly: Terminal) -> None:
    assert nightly.out == f"{SCHEDULE}  sums\n"
    made = nightly.fake.schedules[SCHEDULE]
    assert (made["suite_id"], made["cron"]) == ("eval_suite_0", "30 2 * * *")
    assert made["timezone"] == "Europe/Berlin"
    assert made["run"] == {"models": ["small"]}
    assert "interval_seconds" not in made


@pytest.mark.parametrize("when", [(), ("--cron", "0 9 * * *", "--every", "60")])
def test_exactly_one_of_cron_and_interval_is_given(
    terminal: Terminal, when: tuple[str, ...]
) -> None:
    assert terminal.run("schedules", "create", "sums", "-m", "small", *when) == 1

    assert "one of --cron and --every" in terminal.err


def test_schedules_are_listed_with_when_they_are_due(nightly: Terminal) -> None:
    assert nightly.run("schedules", "list") == 0

    fields = nightly.out.splitlines()[-1].split("\t")
    assert fields[:2] == [SCHEDULE, "sums"]
    assert fields[3] == "30 2 * * * Europe/Berlin"


def test_a_trigger_tells_the_run(nightly: Terminal) -> None:
    assert nightly.run("schedules", "trigger", SCHEDULE) == 0

    assert nightly.out == "eval_run_9\n"
    assert "proctor watch eval_run_9" in nightly.err


def test_the_whole_schedule_is_printed_as_json(nightly: Terminal) -> None:
    assert nightly.run("schedules", "list", "--json") == 0

    assert json.loads(nightly.out)["id"] == SCHEDULE


def test_a_schedule_is_deleted_when_that_is_confirmed(nightly: Terminal) -> None:
    assert nightly.run("schedules", "delete", SCHEDULE, "--yes") == 0

    assert nightly.out == f"{SCHEDULE} is deleted.\n"
    assert nightly.fake.schedules == {}
