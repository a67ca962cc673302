"""Regular expressions of the manifest: Python's, with the named groups of JavaScript."""

import re
import warnings

_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE}

# JavaScript has them; they change nothing about a search in Python.
_IGNORED_FLAGS = "gu"


class BadRegexError(ValueError):
    """The pattern, its flags or its group cannot be used; the text says why."""


def compiled(
    pattern: str, flags: str | None, group: int | str | None
) -> tuple[re.Pattern[str], int | str]:
    """Compile a pattern and settle which group is its result.

    Without `group` that is group 1, or the whole match (0) if the pattern has no groups. A `group`
    of digits in text counts as that number.

    Raises:
        BadRegexError: a flag is unknown, the pattern does not compile, or the group does not exist.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expression = re.compile(
                _python_syntax(pattern, flags or ""), _compiled_flags(flags or "")
            )
    except re.error as error:
        raise BadRegexError(_located(error, pattern)) from None
    except (ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise BadRegexError(str(error) or "the pattern is too complex") from None
    return expression, _settled_group(expression, group)


def _compiled_flags(flags: str) -> int:
    number = 0
    for flag in flags:
        if flag in _FLAGS:
            number |= _FLAGS[flag]
        elif flag not in _IGNORED_FLAGS:
            raise BadRegexError(
                f"unknown flag {flag!r}; known are i, m, s, x, and g and u, which change nothing"
            )
    return number


def _settled_group(expression: re.Pattern[str], group: int | str | None) -> int | str:
    if group is None:
        return 1 if expression.groups else 0
    if isinstance(group, str) and re.fullmatch("[0-9]{1,9}", group):
        group = int(group)
    if isinstance(group, str) and group in expression.groupindex:
        return group
    if isinstance(group, int) and not isinstance(group, bool) and 0 <= group <= expression.groups:
        return group
    raise BadRegexError(f"the pattern has no group {group!r}")


def _located(error: re.error, pattern: str) -> str:
    if "\n" in pattern and error.lineno is not None:
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    return str(error)


def _python_syntax(pattern: str, flags: str) -> str:
    r"""Write `(?<name>` as `(?P<name>` and `\k<name>` as `(?P=name)`, but not in classes."""
    if "(?<" not in pattern and r"\k<" not in pattern:
        return pattern
    verbose = "x" in flags or re.match(r"\(\?[a-wyzA-Z]*x", pattern) is not None
    return (_TOKENS_VERBOSE if verbose else _TOKENS).sub(_translated, pattern)


def _translated(token: re.Match[str]) -> str:
    if token["group"]:
        return f"(?P<{token['group']}>"
    if token["reference"]:
        return f"(?P={token['reference']})"
    return token[0]


# Each alternative is a part of a pattern that must be taken as a whole: references, escapes,
# comments, character classes (a `]` in first place is a member), named groups. What matches none
# of them is left alone.
_PARTS = (
    r"\\k<(?P<reference>\w+)>"
    r"|\\."
    r"|\(\?\#[^)]*\)"
    r"|\[\^?\]?(?:[^\\\]]|\\.)*\]"
    r"|\(\?<(?P<group>[^\W\d]\w*)>"
)
_TOKENS = re.compile(_PARTS, re.DOTALL)
_TOKENS_VERBOSE = re.compile(_PARTS + r"|\#[^\n]*", re.DOTALL)
