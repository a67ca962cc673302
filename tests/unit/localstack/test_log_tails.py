import json
from pathlib import Path

from localstack.log_tails import TAIL_BYTES, last_words, tail

TRACEBACK = 'Traceback (most recent call last):\n  File "x.py", line 1\nbridge.KeyUnusable: no key'
GROUP = """  + Exception Group Traceback (most recent call last):
  | ExceptionGroup: unhandled errors (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    | OSError: address in use
    +------------------------------------"""


def event(**fields: str) -> str:
    return json.dumps({"service": "gateway", **fields})


def test_a_tail_begins_where_this_start_began(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("old\nnew\n")

    assert tail(log, begin=4) == "new"
    assert tail(tmp_path / "none") == ""


def test_a_long_log_is_cut_to_whole_lines(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text(f"{'x' * 99}\n" * (TAIL_BYTES // 50))

    lines = tail(log).splitlines()

    assert {len(line) for line in lines} == {99}
    assert len(lines) <= TAIL_BYTES / 100


def test_a_failed_service_says_the_last_line_of_its_exception() -> None:
    log = [event(event="started"), event(event="service_failed", exception=TRACEBACK), "bye"]

    assert last_words("\n".join(log)) == "bridge.KeyUnusable: no key"


def test_a_bare_traceback_and_a_group_are_understood() -> None:
    assert last_words(TRACEBACK) == "bridge.KeyUnusable: no key"
    assert last_words(event(exception=GROUP)) == "OSError: address in use"


def test_without_an_exception_the_last_lines_are_shown() -> None:
    assert last_words("\n".join("abcdefg")) == "c\nd\ne\nf\ng"
    assert last_words("") == ""


def test_a_message_of_several_lines_is_told_with_them() -> None:
    log = (
        "Traceback (most recent call last):\n"
        '  File "main.py", line 1, in <module>\n'
        "pydantic_core.ValidationError: 2 validation errors for Settings\n"
        "jails_max\n"
        "  Input should be a valid integer\n"
        '{"event": "service_failed"}\n'
        "later\n"
    )

    assert last_words(log).splitlines() == [
        "pydantic_core.ValidationError: 2 validation errors for Settings",
        "jails_max",
        "  Input should be a valid integer",
    ]
