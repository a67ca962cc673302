"""Run a tenant's preprocessor over rows."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from grader.inside.jobs import JsonObject, Preprocess
from grader.inside.jsonvalues import NotJsonError, class_name, is_sequence, plain_json
from grader.inside.loading import call_entry, entry_point, load_program
from grader.inside.timelimit import TimeLimitExceeded, wall_limit
from grader.inside.tracebacks import describe

# A row leaves in one message, as it came.
ROW_BYTES_MAX = 2 * 1024 * 1024

# The host takes no frame of more than 262,144 brackets and commas.
_ROW_PARTS_MAX = 250_000

_PROGRAM = "preprocess"
_DEFAULT_TIMEOUT_S = 120
# A timer of 0 would mean none.
_LEFT_MIN_S = 0.001

_Returned = TypeVar("_Returned")


class PrepareError(Exception):
    """The preparation of a whole task failed.

    `code` is `preprocess_failed`, `empty_dataset` or `prepare_failed`; `traceback` is empty when no
    program raised.
    """

    def __init__(self, code: str, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.traceback = traceback


class Preprocessor:
    """A loaded preprocessor; its time is counted over all of its calls.

    The constructor and the method raise `PrepareError` with `preprocess_failed`.
    """

    def __init__(self, preprocess: Preprocess) -> None:
        self._timeout_s = preprocess.get("timeout_seconds", _DEFAULT_TIMEOUT_S)
        self._left_s = float(self._timeout_s)
        self._takes_batch = preprocess.get("contract", "row") == "batch"
        source = preprocess["source"]
        module = self._timed(lambda: load_program(source, _PROGRAM), "the module")
        name = "transform_batch" if self._takes_batch else "transform"
        entry = entry_point(module, name)
        if entry is None:
            raise _failed(f"the preprocessor defines no {name}")
        self._entry = entry

    def apply(self, rows: Iterable[JsonObject], *, called: str = "row") -> Iterator[JsonObject]:
        """Yield the rows that come out; for the contract `row` while the rows go in.

        An error names a row as `called` and its place, from 0.
        """
        if self._takes_batch:
            yield from self._apply_batch(list(rows))
            return
        for place, row in enumerate(rows):
            where = f"{called} {place}"
            returned = self._called(row, where)
            if returned is not None:
                yield _row(returned, where)

    def _apply_batch(self, rows: list[JsonObject]) -> Iterator[JsonObject]:
        returned = self._called(rows, "transform_batch")
        if not is_sequence(returned):
            raise _failed(f"transform_batch returned {class_name(returned)}, not a list")
        for place, row in enumerate(returned):
            yield _row(row, f"entry {place} of the returned list")

    def _called(self, argument: object, where: str) -> object:
        return self._timed(lambda: call_entry(self._entry, argument), where)

    def _timed(self, work: Callable[[], _Returned], where: str) -> _Returned:
        started_s = time.monotonic()
        try:
            with wall_limit(max(self._left_s, _LEFT_MIN_S)):
                return work()
        except TimeLimitExceeded:
            raise _failed(f"{where}: the preprocessor took over {self._timeout_s:g} s") from None
        except MemoryError:
            raise _failed(f"{where}: the preprocessor ran out of memory") from None
        except BaseException as error:  # noqa: BLE001 - whatever the tenant's code raises
            message, traceback, line = describe(error, f"{_PROGRAM}.py")
            place = f" (line {line})" if line else ""
            failure = f"{where}: {message}{place}"
            raise PrepareError("preprocess_failed", failure, traceback) from None
        finally:
            self._left_s -= time.monotonic() - started_s


def _row(returned: object, where: str) -> JsonObject:
    try:
        row = plain_json(returned, bytes_max=ROW_BYTES_MAX, parts_max=_ROW_PARTS_MAX)
    except NotJsonError as error:
        raise _failed(f"{where}: the new row {error}") from None
    if not isinstance(row, dict):
        raise _failed(f"{where}: the new row is {class_name(returned)}, not a dict")
    return row


def _failed(message: str) -> PrepareError:
    return PrepareError("preprocess_failed", message)
