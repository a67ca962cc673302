"""What the use cases need to delete for good."""

from datetime import timedelta
from typing import Protocol


class Purges(Protocol):
    """Runs that nobody sees any more."""

    async def purge(self, *, kept: timedelta) -> bool:
        """Delete a bounded number of rows of one run that was deleted longer than `kept` ago.

        The run is gone when none is left. Returns False when there is no such run.
        """
        ...
