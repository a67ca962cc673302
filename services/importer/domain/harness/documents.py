"""Numbers of documents in little memory: which were seen, and their scores."""

import math
from array import array

# More than a file may have rows: what is sparse and small costs as much as what is dense.
_DENSE_MAX = 2**20  # as bits 128 KiB
_SCORES_DENSE_MAX = 2**20  # as numbers 8 MiB
_NUMBER_BYTES = 8
_OTHER_BYTES = 128  # of a score in a dictionary, with its key
INDEX_MAX = 2**31 - 1


def scores_bytes(*, columns: int, highest: int, scores: int) -> int:
    """Return what so many columns with so many scores take at most, up to a document's number."""
    dense = columns * _NUMBER_BYTES * (min(highest, _SCORES_DENSE_MAX) + 1)
    return dense if highest < _SCORES_DENSE_MAX else dense + _OTHER_BYTES * scores


class DocumentSet:
    """A set of whole numbers from 0; small ones take a bit each."""

    def __init__(self) -> None:
        self._bits = bytearray()
        self._others: set[int] = set()

    def add(self, number: int) -> bool:
        """Add a number; tell whether it was new."""
        if number >= _DENSE_MAX:
            known = number in self._others
            self._others.add(number)
            return not known
        place, bit = number >> 3, 1 << (number & 7)
        if place >= len(self._bits):
            self._bits.extend(bytes(place + 1 - len(self._bits)))
        known = bool(self._bits[place] & bit)
        self._bits[place] |= bit
        return not known

    def __contains__(self, number: int) -> bool:
        if number >= _DENSE_MAX:
            return number in self._others
        place = number >> 3
        return place < len(self._bits) and bool(self._bits[place] & (1 << (number & 7)))


class ScoreColumn:
    """One score a document; small numbers take eight bytes each."""

    def __init__(self) -> None:
        self._dense: array[float] = array("d")
        self._others: dict[int, float] = {}

    def put(self, number: int, score: float) -> None:
        """Remember the score of a document."""
        if number >= _SCORES_DENSE_MAX:
            self._others[number] = score
            return
        if number >= len(self._dense):
            self._dense.extend([math.nan] * (number + 1 - len(self._dense)))
        self._dense[number] = score

    def get(self, number: int) -> float | None:
        """Return the score of a document; None when it has none."""
        if number >= _SCORES_DENSE_MAX:
            return self._others.get(number)
        score = self._dense[number] if number < len(self._dense) else math.nan
        return None if math.isnan(score) else score
