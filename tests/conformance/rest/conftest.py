"""A whole Proctor for the tests of the REST contract; tests have teams of their own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

import e2e.conftest as e2e
from conformance.rest.teams import Team, new_key
from e2e.stack import Stack
from servicekit.ids import new_id

start_stack = e2e.start_stack
stack = e2e.stack


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options for `make generated`; they exist when this folder is named on the command line."""
    parser.addoption(
        "--examples", type=int, default=None, help="generated requests for each operation"
    )


@pytest.fixture(scope="session")
def document(stack: Stack) -> dict[str, Any]:
    """The OpenAPI document as the running stack serves it."""
    described: dict[str, Any] = httpx.get(f"{stack.base_url}/openapi.json", timeout=30).json()
    return described


@pytest.fixture(scope="session")
def new_team(stack: Stack) -> Iterator[Callable[..., Team]]:
    """Make a team that has nothing yet."""
    with ExitStack() as clients:

        def make(*, org: str = "org", name: str = "", admin: bool = True) -> Team:
            name = name or new_id("team")
            key = new_key(stack, org=org, team=name, admin=admin)
            client = httpx.Client(
                base_url=stack.base_url, headers={"authorization": f"Bearer {key}"}, timeout=60
            )
            return Team(name, clients.enter_context(client), org)

        yield make


@pytest.fixture(scope="module")
def team(new_team: Callable[..., Team]) -> Team:
    """A team of the module's own, that has nothing at first."""
    return new_team()
