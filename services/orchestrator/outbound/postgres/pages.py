"""Where a page ends: it travels in one message of at most 16 MiB."""

from collections.abc import Sequence
from itertools import accumulate

# Texts and documents are nearly all of a message; the rest is for what is not counted.
PAGE_BYTES_MAX = 14 * 1024 * 1024
# An entry that alone is longer than a page may still fit the message.
ENTRY_BYTES_MAX = 15 * 1024 * 1024


def page_length(sizes: Sequence[int], *, entries_max: int) -> int:
    """Return how many of the entries, of these sizes, make a page; the first always is in it."""
    totals = accumulate(sizes[:entries_max])
    return sum(1 for place, total in enumerate(totals) if place == 0 or total <= PAGE_BYTES_MAX)
