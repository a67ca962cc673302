"""Numbers of documents in little memory: which were seen, and their scores."""

import math
from array import array

_DENSE_MAX = 2**24  # as bits 2 MiB
_SCORES_DENSE_MAX = 2**22  # as numbers 32 MiB
INDEX_MAX = 2**31 - 1


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
