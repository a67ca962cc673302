"""Commands are imported when they are run, and nothing else is."""

import json
import subprocess
import sys

import pytest

from cli.command_table import all_commands
from cli.lazy_commands import LazyCommand

# What takes longest to import, and what stands behind it. Not pydantic, with which typer itself
# reads arguments; models of ours are another matter.
HEAVY = frozenset(
    {
        "aiohttp", "asyncpg", "google.protobuf", "grpc", "httpx", "manifest", "nats", "orjson",
        "proctor", "cli.server.resources", "servicekit", "sqlalchemy", "sqlmodel", "structlog",
    }
)  # fmt: skip

# Runs the command in a process of its own and tells afterwards what it has imported.
PROGRAM = """
import json, sys
from cli.main import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
finally:
    sys.stderr.write("\\n" + json.dumps(sorted(sys.modules)))
"""


def imported_by(*words: str) -> set[str]:
    ended = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM, *words], capture_output=True, text=True, check=True
    )
    return set(json.loads(ended.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    "words",
    [
        ("--help",), ("version",), ("keys", "--help"), ("keys", "create", "--help"),
        ("keys", "create", "--name=ci", "--state=no-such-stack"),
        ("keys", "list", "--state=no-such-stack"), ("status", "--state=no-such-stack"),
        ("down", "--state=no-such-stack"), ("restart", "gateway", "--state=no-such-stack"),
        ("models", "--state=no-such-stack"), ("import", ".", "--state=no-such-stack"),
        ("up", "--help"),
    ],
)  # fmt: skip
def test_a_command_of_the_stack_imports_no_client_library(words: tuple[str, ...]) -> None:
    assert imported_by(*words) & HEAVY == set()


@pytest.mark.parametrize("words", [("create", "--name=ci"), ("list",), ("revoke", "0123")])
def test_the_commands_of_keys_need_no_loop(words: tuple[str, ...]) -> None:
    modules = imported_by("keys", *words, "--state=no-such-stack")

    assert "localstack.stack.keys" in modules
    assert "asyncio" not in modules


def test_the_page_of_all_commands_imports_none_of_them() -> None:
    modules = imported_by("--help")

    assert not {name for name in modules if name.startswith("cli.commands")}
    assert "asyncio" not in modules


def test_a_command_imports_what_it_needs_itself() -> None:
    modules = imported_by("runs", "--state=no-such-stack")

    assert {"cli.commands.runs", "httpx"} <= modules
    assert "cli.commands.grader" not in modules
    assert modules & {"aiohttp", "asyncpg", "grpc", "nats", "manifest", "sqlalchemy"} == set()


@pytest.mark.parametrize("command", all_commands(), ids=lambda command: command.name)
def test_a_summary_begins_the_help_of_its_command(command: LazyCommand) -> None:
    imported = command.imported()

    first = (imported.help or "").split("\n\n")[0]
    assert " ".join(first.split()) == command.help
    assert not imported.hidden
