"""What is told of an exception, also of a hostile one."""

import pytest

from grader.inside.loading import load_program
from grader.inside.tracebacks import MESSAGE_CHARS_MAX, TRACEBACK_CHARS_MAX, Description, describe


def described(source: str) -> Description:
    try:
        load_program(source, "grader")
    except BaseException as error:  # noqa: BLE001 - anything may be raised
        return describe(error, "grader.py")
    pytest.fail("the program did not raise")


def test_only_frames_of_the_program_are_shown_with_their_lines() -> None:
    source = "import json\ndef f():\n    return json.loads('{')\nf()\n"

    message, traceback, line = described(source)

    assert message.startswith("JSONDecodeError: Expecting property name")
    assert traceback == (
        "Traceback (most recent call last):\n"
        '  File "grader.py", line 4, in <module>\n'
        "    f()\n"
        '  File "grader.py", line 3, in f\n'
        "    return json.loads('{')\n" + message
    )
    assert line == 3


def test_a_syntax_error_names_its_line() -> None:
    message, traceback, line = described("x = 1\ny = = 2\n")

    assert (message, line) == ("SyntaxError: invalid syntax", 2)
    assert '  File "grader.py", line 2, in <module>' in traceback


def test_the_cause_comes_first() -> None:
    source = "try:\n    {}['a']\nexcept KeyError as e:\n    raise ValueError('no a') from e\n"

    message, traceback, _ = described(source)

    assert message == "ValueError: no a"
    assert traceback.index("KeyError: 'a'") < traceback.index("ValueError: no a")


def test_a_suppressed_context_is_left_out() -> None:
    source = "try:\n    {}['a']\nexcept KeyError:\n    raise ValueError('no a') from None\n"

    assert "KeyError" not in described(source).traceback


def test_a_deep_recursion_shows_its_end() -> None:
    message, traceback, _ = described("def f(n):\n    return f(n + 1)\nf(0)\n")

    assert message.startswith("RecursionError: maximum recursion depth exceeded")
    assert len(traceback) <= TRACEBACK_CHARS_MAX
    assert traceback.endswith(message)


LIAR = """
class E(Exception):
    @property
    def __traceback__(self):
        raise ValueError
    __cause__ = __context__ = __class__ = __traceback__

raise E('x')
"""


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        (
            "class E(Exception):\n    def __str__(self): raise ValueError\nraise E",
            "E (its text could not be had)",
        ),
        (
            "class E(Exception):\n    def __str__(self): return 5\nraise E",
            "E",
        ),
        ("raise type('E' * 10**7, (Exception,), {})('x')", "E" * 80 + ": x"),
        ("raise ValueError('\\ud800 \\0')", "ValueError: \\ud800 \\x00"),
        ("raise SyntaxError", "SyntaxError (its text could not be had)"),
        ("raise SyntaxError('hm')", "SyntaxError: hm"),
        (LIAR, "E: x"),
    ],
)
def test_an_exception_cannot_escape_its_description(source: str, message: str) -> None:
    found = described(source)

    assert found.message == message
    assert found.traceback.endswith(message)


def test_a_long_text_is_cut() -> None:
    found = described("raise ValueError('x' * 10**7)")

    assert len(found.message) == MESSAGE_CHARS_MAX
    assert len(found.traceback) <= TRACEBACK_CHARS_MAX


def test_a_text_that_never_ends_is_given_up() -> None:
    source = "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E"

    assert described(source).message == "E (its text could not be had)"


def test_a_ring_of_causes_ends() -> None:
    source = "a, b = ValueError('a'), ValueError('b')\na.__cause__, b.__cause__ = b, a\nraise a"

    assert described(source).traceback.count("ValueError: a") == 2
