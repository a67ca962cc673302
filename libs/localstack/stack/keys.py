"""API keys of a stack, through the gateway's own command."""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from localstack.errors import LocalStackError
from localstack.secrets import write_private
from localstack.services.gateway_command import run_gateway
from localstack.stack.description import read_description
from localstack.stack.folder import StateFolder

ORG = TEAM = "local"
_FIRST_KEY = Path("secrets") / "api-key"


def gateway_keys(state_dir: Path, arguments: Sequence[str]) -> str:
    """Run `python -m gateway keys <arguments>` on a running stack and return what it prints.

    Raises:
        LocalStackError: no stack runs there, or the command refused.
    """
    description = read_description(state_dir)
    if description is None:
        raise LocalStackError(f"no stack runs in {state_dir}; start one with `proctor up`")
    folder = StateFolder(state_dir)
    address = urlsplit(description.postgres_dsn)
    host = address.netloc.rpartition("@")[2]
    secret = folder.secret("postgres-gateway")
    return run_keys_command(
        folder, f"postgresql://gateway:{secret}@{host}{address.path}", arguments
    )


def first_key(folder: StateFolder, dsn: str) -> str:
    """Return the key that was made when the stack first ran; make it now if there is none.

    Raises:
        LocalStackError: the gateway's command refused.
    """
    path = folder.path / _FIRST_KEY
    with suppress(FileNotFoundError):
        return path.read_text()
    arguments = ["create", "--name", "proctor up", "--org", ORG, "--team", TEAM, "--org-admin"]
    made = json.loads(run_keys_command(folder, dsn, [*arguments, "--json"]))
    write_private(path, made["key"])
    return path.read_text()


def run_keys_command(folder: StateFolder, dsn: str, arguments: Sequence[str]) -> str:
    """Run the command against the gateway's schema at `dsn`.

    Raises:
        LocalStackError: it refused; the message is what it said.
    """
    env = {"GATEWAY_POSTGRES_DSN": dsn, "GATEWAY_KEY_PEPPER": folder.secret("key-pepper")}
    try:
        return run_gateway(["keys", *arguments], env=env, cwd=folder.path)
    except LocalStackError as error:
        raise LocalStackError(f"the keys command failed: {error}") from None
