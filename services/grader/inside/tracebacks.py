"""Describe what a tenant program raised, whatever tricks its exception plays.

Nothing here trusts the exception: its class, its text, its attributes and its chain may be hostile.
"""

import linecache
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from grader.inside.jsonvalues import class_name, is_text, printable
from grader.inside.timelimit import wall_limit

TRACEBACK_CHARS_MAX = 4_000
MESSAGE_CHARS_MAX = 1_000

# A text of an exception that does not come in this time is left out.
_TEXT_LIMIT_S = 1.0
_FRAMES_MAX = 40
_CHAIN_MAX = 4


class Description(NamedTuple):
    """One sentence, the last characters of the traceback, the program's last line in it."""

    message: str
    traceback: str = ""
    line: int | None = None


def describe(error: BaseException, filename: str) -> Description:
    """Describe an exception by its class, its text and its frames within `filename`."""
    message = _sentence(error)
    traceback = printable("\n".join(_chain(error, filename, message)))
    places = _places(error, filename)
    line = places[-1][0] if places else None
    return Description(message, traceback[-TRACEBACK_CHARS_MAX:], line)


def _sentence(error: BaseException) -> str:
    name = class_name(error)
    try:
        text = _text(error)
    except BaseException:  # noqa: BLE001 - its author wrote a `__str__` that raises
        return f"{name} (its text could not be had)"
    return printable(f"{name}: {text}"[:MESSAGE_CHARS_MAX]) if text else name


def _text(error: BaseException) -> str:
    if issubclass(type(error), SyntaxError):
        # The file name that str() would add is a made-up one.
        return str(BaseException.__dict__["args"].__get__(error)[0])
    with wall_limit(_TEXT_LIMIT_S):
        text: object = type(error).__str__(error)
    return str.__str__(text)[: MESSAGE_CHARS_MAX + 1] if is_text(text) else ""


def _chain(error: BaseException, filename: str, message: str) -> Iterator[str]:
    """Yield the parts of the traceback, the oldest exception of the chain first."""
    links = [(error, message)]
    while len(links) < _CHAIN_MAX and (cause := _cause(links[-1][0])) is not None:
        links.append((cause, _sentence(cause)))
    for link, sentence in reversed(links):
        yield from _frames(link, filename)
        yield sentence


def _cause(error: BaseException) -> BaseException | None:
    fields = BaseException.__dict__
    cause: BaseException | None = fields["__cause__"].__get__(error)
    if cause is None and not fields["__suppress_context__"].__get__(error):
        cause = fields["__context__"].__get__(error)
    return cause


def _places(error: BaseException, filename: str) -> deque[tuple[int, str]]:
    """Return line and function of the last frames within `filename`."""
    traceback = BaseException.__dict__["__traceback__"].__get__(error)
    places: deque[tuple[int, str]] = deque(maxlen=_FRAMES_MAX)
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_filename == filename:
            places.append((traceback.tb_lineno, code.co_name))
        traceback = traceback.tb_next
    if issubclass(type(error), SyntaxError):
        line: object = SyntaxError.__dict__["lineno"].__get__(error)
        if isinstance(line, int):
            places.append((line, "<module>"))
    return places


def _frames(error: BaseException, filename: str) -> Iterator[str]:
    places = _places(error, filename)
    if places:
        yield "Traceback (most recent call last):"
    for line_number, function in places:
        yield f'  File "{filename}", line {line_number}, in {function}'
        source = linecache.getline(filename, line_number).strip()
        if source:
            yield f"    {source[:200]}"
