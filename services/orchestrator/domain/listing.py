"""Which entries of a collection are wanted, and one page of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from orchestrator.domain.metrics import SCORE
from orchestrator.domain.run_states import RunState
from orchestrator.domain.sample import SampleState
from servicekit.errors import Kind, ServiceError

Entry = TypeVar("Entry")


class InvalidCursor(ServiceError):
    """The cursor is no entry of the caller's view of this collection."""

    kind = Kind.INVALID_ARGUMENT
    reason = "INVALID_CURSOR"

    def __init__(self, after: str) -> None:
        super().__init__("the cursor names no entry of this list", param="after", after=after)


class InvalidPageSize(ServiceError):
    """The page size is negative."""

    kind = Kind.INVALID_ARGUMENT
    reason = "INVALID_PAGE_SIZE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """At most `size` entries of a collection, those behind the one with id `after` if it is set."""

    size: int
    after: str = ""


@dataclass(frozen=True, slots=True)
class Slice(Generic[Entry]):
    """Entries of one page, and whether more follow."""

    entries: Sequence[Entry]
    has_more: bool


class SampleTooLarge(ServiceError):
    """A sample cannot be listed with all that was asked for; asking for less of it may help."""

    kind = Kind.FAILED_PRECONDITION
    reason = "SAMPLE_TOO_LARGE"

    def __init__(self, sample_id: str, size_bytes: int) -> None:
        super().__init__(
            f"sample {sample_id} has {size_bytes} bytes, too many for a list: leave dataset rows "
            "and reasoning out, or read the samples artifact; `after` this id the list goes on",
            sample=sample_id,
            size_bytes=size_bytes,
        )


def page(*, size: int, after: str, default: int, largest: int) -> Page:
    """Make a page of what was asked for: 0 takes the default, more than the largest is cut.

    Raises:
        InvalidPageSize: the size is negative.
    """
    if size < 0:
        raise InvalidPageSize(f"a page cannot have {size} entries", param="limit", size=size)
    return Page(size=min(size or default, largest), after=after)


class SuiteVersionWithoutSuite(ServiceError):
    """A version number means nothing without its suite."""

    kind = Kind.INVALID_ARGUMENT
    reason = "SUITE_VERSION_WITHOUT_SUITE"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs; an unset field selects nothing away."""

    suite_id: str = ""
    suite_version: int | None = None
    state: RunState | None = None
    owned_only: bool = False
    schedule_id: str = ""

    def __post_init__(self) -> None:
        """Refuse a version without a suite."""
        if self.suite_version is not None and not self.suite_id:
            message = "suite_version can only be given together with `suite_id`"
            raise SuiteVersionWithoutSuite(message, param="suite_version")


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFilter:
    """Which samples, and which of their parts; an unset field selects nothing away.

    Attributes:
        score_metric: Key in scores that the inclusive bounds look at; a sample without a number
            there is left out as soon as there is a bound.
    """

    task_id: str = ""
    model: str = ""
    states: Sequence[SampleState] = ()
    score_metric: str = SCORE
    score_min: float | None = None
    score_max: float | None = None
    sample_indices: Sequence[int] = ()
    with_rows: bool = True
    with_reasoning: bool = False
