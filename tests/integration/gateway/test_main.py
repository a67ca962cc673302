import json
import subprocess
import sys

HEAVY = frozenset(
    {"aiohttp", "alembic", "fastapi", "grpc", "nats", "proctor", "sqlalchemy", "sqlmodel"}
    | {"starlette", "structlog"}
)

# Runs a command in a process of its own and tells afterwards what it has imported.
PROGRAM = """
import json, sys
from gateway.__main__ import main
try:
    main()
finally:
    sys.stderr.write(json.dumps(sorted(sys.modules)))
"""


def keys_command(dsn: str, *words: str) -> tuple[str, set[str]]:
    """What the command printed, and what it imported."""
    ended = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM, "keys", *words],
        env={"GATEWAY_POSTGRES_DSN": dsn, "GATEWAY_KEY_PEPPER": "p" * 32},
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout, set(json.loads(ended.stderr))


def test_a_key_is_made_in_an_empty_database(postgres_dsn: str) -> None:
    keys_command(postgres_dsn, "create", "--name=first", "--org=o", "--team=t")

    printed, _ = keys_command(postgres_dsn, "list", "--json")

    assert [key["name"] for key in json.loads(printed)] == ["first"]


def test_the_keys_command_does_without_the_service_where_one_has_been(postgres_dsn: str) -> None:
    keys_command(postgres_dsn, "list")

    _, modules = keys_command(postgres_dsn, "create", "--name=ci", "--org=o", "--team=t")

    assert modules & HEAVY == set()
