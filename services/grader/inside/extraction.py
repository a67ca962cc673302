"""Cut the answer out of a model's text, as the manifest's `output_extraction` says."""

import re

from grader.inside.jobs import Extraction
from grader.inside.patterns import compiled
from grader.inside.timelimit import TimeLimitExceeded, cpu_limit

TIME_LIMIT_S = 1.0


class ExtractionTimeoutError(Exception):
    """The extraction took too much CPU time."""


def extract(
    extraction: Extraction | None, text: str | None, *, limit_s: float = TIME_LIMIT_S
) -> str | None:
    """Return the answer in a text, or None when there is none. No extraction means the text itself.

    `limit_s` is in CPU time.

    Raises:
        ExtractionTimeoutError: it took too long.
        BadRegexError: the pattern cannot be used.
    """
    kind = extraction["type"] if extraction else "none"
    if extraction is None or text is None or kind == "none":
        return text
    if kind == "take_first":
        return first_lines(text, extraction.get("lines", 1))
    if kind == "number":
        return first_number(text)
    try:
        # Starting and stopping the clock costs more than what takes time in proportion to the text.
        with cpu_limit(limit_s):
            return _extracted(kind, extraction, text)
    except TimeLimitExceeded:
        raise ExtractionTimeoutError(f"the extraction took more than {limit_s:g} s") from None


def _extracted(kind: str, extraction: Extraction, text: str) -> str | None:
    if kind == "label_set":
        return first_label(
            text, extraction["labels"], case_sensitive=extraction.get("case_sensitive", False)
        )
    return _matched(extraction, text, last=kind == "regex_last")


def _matched(extraction: Extraction, text: str, *, last: bool) -> str | None:
    expression, group = compiled(
        extraction["pattern"], extraction.get("flags"), extraction.get("group")
    )
    match = None
    if last:
        for match in expression.finditer(text):  # noqa: B007  # only the last one is wanted
            pass
    else:
        match = expression.search(text)
    found = match[group] if match else None
    return found.strip() if isinstance(found, str) else None


def first_lines(text: str, count: int) -> str | None:
    """Return the first `count` lines that are not blank, joined with newlines and stripped."""
    lines = [line for line in text.splitlines() if line.strip()]
    return "\n".join(lines[:count]).strip() or None


# Thousands are parted by a comma, a thin space or a narrow no-break space, and only in whole groups
# of three. U+2212 is a minus sign. Names of characters would bring their whole table along.
_NUMBER = re.compile(
    r"""
    (?:(?<!\w)(?P<sign>[-+\u2212]))?
    (?:(?P<currency>[$\u00a2-\u00a5\u20a0-\u20c0])\ ?(?P<inner_sign>[-+\u2212])?)?
    (?P<digits>
        [0-9]{1,3}(?:[,\u2009\u202f][0-9]{3})+(?![0-9])(?:\.[0-9]+)?
        | [0-9]+(?:\.[0-9]+)?
        | (?<![\w.])\.[0-9]+
    )
    (?P<exponent>[eE][-+\u2212]?[0-9]+)?
    """,
    re.VERBOSE,
)
_SEPARATORS = str.maketrans(dict.fromkeys((",", "\N{THIN SPACE}", "\N{NARROW NO-BREAK SPACE}")))


def first_number(text: str) -> str | None:
    """Return the first number: no separators of thousands, no plus sign, decimals as written.

    A sign that is glued to a letter or digit before it is a hyphen. Digits are 0 to 9.
    """
    match = _NUMBER.search(text)
    if match is None:
        return None
    sign = match["sign"] or match["inner_sign"] or ""
    number = sign + match["digits"].translate(_SEPARATORS) + (match["exponent"] or "")
    return number.replace("\N{MINUS SIGN}", "-").removeprefix("+")


# Quotes and brackets of many scripts, the asterisk of Markdown, white space.
_WRAPPING = (
    "\"'`\u00ab\u00bb\u2018\u2019\u201a\u201c\u201d\u201e\u2039\u203a\u300c\u300d\u300e\u300f"
    "()[]{}<>\u3008\u3009\u300a\u300b\u3010\u3011\uff08\uff09* \t\r\n\u00a0"
)
_FINAL_PUNCTUATION = ".,;:!?\u2026\u3001\u3002\uff01\uff0c\uff1a\uff1b\uff1f"


def first_label(text: str, labels: list[str], *, case_sensitive: bool = False) -> str | None:
    """Return the label that a text is or, failing that, names first, spelled as in `labels`.

    A text is a label also within quotes, brackets or asterisks and before final punctuation. A
    label inside the text counts when no letter or digit touches it; at equal places the longest
    one wins.
    """
    spelled = {_compared(label.strip(), case_sensitive): label for label in reversed(labels)}
    whole = text.strip()
    bare = whole.rstrip(_FINAL_PUNCTUATION + _WRAPPING).lstrip(_WRAPPING)
    for candidate in (whole, bare):
        label = spelled.get(_compared(candidate, case_sensitive))
        if label is not None:
            return label
    return _earliest_label(text, labels, case_sensitive=case_sensitive)


def _compared(text: str, case_sensitive: bool) -> str:  # noqa: FBT001  # one private rule of comparing
    return text if case_sensitive else text.casefold()


def _earliest_label(text: str, labels: list[str], *, case_sensitive: bool) -> str | None:
    searched = text if case_sensitive else _lowered(text)
    found: str | None = None
    found_at = len(searched)
    for label in sorted(labels, key=len, reverse=True):
        needle = label.strip() if case_sensitive else _lowered(label.strip())
        place = _free_place(searched, needle, before=found_at) if needle else None
        if place is not None:
            found, found_at = label, place
    return found


def _free_place(text: str, needle: str, *, before: int) -> int | None:
    """Find the first place below `before` where no letter or digit touches the needle."""
    place = text.find(needle, 0, before - 1 + len(needle))
    while place >= 0:
        end = place + len(needle)
        touched = (place > 0 and text[place - 1].isalnum()) or (
            end < len(text) and text[end].isalnum()
        )
        if not touched:
            return place
        place = text.find(needle, place + 1, before - 1 + len(needle))
    return None


def _lowered(text: str) -> str:
    """Lower a text without a change of its length, so that places stay true."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(low if len(low := character.lower()) == 1 else character for character in text)
