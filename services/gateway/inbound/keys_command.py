"""`python -m gateway keys create|list|revoke`: the way an operator manages API keys."""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gateway.domain.api_keys import ApiKey
from gateway.domain.scopes import Scope
from gateway.ports import ApiKeys
from gateway.usecases.create_key import create_key
from gateway.usecases.revoke_key import revoke_key
from servicekit.clock import Clock
from servicekit.errors import ServiceError

REFUSED = 1


def read_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line after `keys`; ends the process with code 2 when it makes no sense."""
    parser = argparse.ArgumentParser(prog="python -m gateway keys", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    create = actions.add_parser("create", help="create a key and print it, once")
    create.add_argument("--name", required=True, help="what the key is for")
    create.add_argument("--org", required=True, help="organisation it belongs to")
    create.add_argument("--team", required=True, help="team it belongs to")
    create.add_argument(
        "--scope",
        action="append",
        default=[],
        help=f"may be repeated; one of {', '.join(Scope)}; default: all of them",
    )
    create.add_argument(
        "--org-admin",
        action="store_true",
        help="may also do what only admins of the organisation may, such as sharing suites",
    )
    revoke = actions.add_parser("revoke", help="make a key useless, within seconds")
    revoke.add_argument("id", help="the 16 digits after `prk_`, or the whole key")
    listing = actions.add_parser("list", help="list all keys, without their secrets")
    for action in (create, revoke, listing):
        action.add_argument("--json", action="store_true", help="print JSON, one line")
    return parser.parse_args(arguments)


async def run_keys_command(
    options: argparse.Namespace, keys: ApiKeys, *, pepper: bytes, clock: Clock
) -> int:
    """Do what the options ask for and print it; the process's exit code."""
    try:
        if options.action == "create":
            await _create(options, keys, pepper=pepper, clock=clock)
        elif options.action == "revoke":
            await _revoke(options, keys, clock=clock)
        else:
            _print_all(await keys.list_all(), as_json=options.json)
    except ServiceError as error:
        for line in [violation.message for violation in error.violations] or [error.message]:
            sys.stderr.write(f"{line}\n")
        return REFUSED
    return 0


async def _create(
    options: argparse.Namespace, keys: ApiKeys, *, pepper: bytes, clock: Clock
) -> None:
    new = await create_key(
        keys,
        name=options.name,
        org_id=options.org,
        team_id=options.team,
        scopes=options.scope or list(Scope),
        pepper=pepper,
        clock=clock,
        is_org_admin=options.org_admin,
    )
    if options.json:
        _say(json.dumps({**_described(new.key), "key": new.text.text}))
    else:
        _say(f"{new.text.text}\n(id {new.key.id}; keep it now, it is not shown again)")


async def _revoke(options: argparse.Namespace, keys: ApiKeys, *, clock: Clock) -> None:
    key_id = options.id.removeprefix("prk_").partition("_")[0]
    key = await revoke_key(keys, key_id=key_id, clock=clock)
    _say(json.dumps(_described(key)) if options.json else f"revoked {key.id} ({key.name})")


def _print_all(keys: Sequence[ApiKey], *, as_json: bool) -> None:
    if as_json:
        _say(json.dumps([_described(key) for key in keys]))
        return
    for key in keys:
        state = "revoked" if key.revoked_at else "active"
        scopes = ",".join([*sorted(key.scopes), *(["org admin"] if key.is_org_admin else [])])
        _say(f"{key.id}  {state:7}  {key.org_id}/{key.team_id}  {scopes}  {key.name}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _described(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "org_id": key.org_id,
        "team_id": key.team_id,
        "scopes": sorted(key.scopes),
        "is_org_admin": key.is_org_admin,
        "created_at": _iso(key.created_at),
        "last_used_at": _iso(key.last_used_at),
        "revoked_at": _iso(key.revoked_at),
    }


def _iso(time: datetime | None) -> str | None:
    return time.isoformat(timespec="seconds") if time else None
