"""Imports of historical results."""

from collections.abc import Callable, Iterator

import pytest

from conformance.rest.importing import Importing
from conformance.rest.teams import Team
from e2e.stack import Stack


@pytest.fixture
def importing(stack: Stack, new_team: Callable[..., Team]) -> Iterator[Importing]:
    yield Importing(stack, new_team())
    stack.hub.down = False
