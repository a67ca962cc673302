"""`python -m gateway` serves; `… keys` administers API keys and `… models` checks a models file."""

import asyncio
import sys
from collections.abc import Sequence
from typing import TypeVar

from pydantic import ValidationError

from gateway.app import build, open_database
from gateway.bridge.models_command import run_models_command
from gateway.inbound.keys_command import read_arguments, run_keys_command
from gateway.outbound.api_key_table import PostgresApiKeys
from gateway.settings import KeySettings, Settings, provider_environment
from servicekit.clock import SystemClock
from servicekit.lifecycle import run_service
from servicekit.logs import configure_logs

Kind = TypeVar("Kind", bound=KeySettings)


def main() -> None:
    """Do what the command line asks for."""
    match sys.argv[1:]:
        case []:
            _serve()
        case ["keys", *arguments]:
            sys.exit(asyncio.run(_administer_keys(arguments)))
        case ["models", *arguments]:
            sys.exit(run_models_command(arguments, provider_environment()))
        case _:
            sys.exit("usage: python -m gateway [keys … | models …]")


def _serve() -> None:
    settings = _read(Settings)
    configure_logs("gateway", settings.log_level, settings.log_json)
    run_service(lambda: build(settings), "gateway")


async def _administer_keys(arguments: Sequence[str]) -> int:
    options = read_arguments(arguments)
    settings = _read(KeySettings)
    # The command's own output is what its caller reads; only trouble is worth a log line.
    configure_logs("gateway", "warning", settings.log_json)
    pepper = settings.key_pepper.get_secret_value().encode()
    async with open_database(settings) as database:
        return await run_keys_command(
            options, PostgresApiKeys(database), pepper=pepper, clock=SystemClock()
        )


def _read(kind: type[Kind]) -> Kind:
    try:
        return kind.model_validate({})
    except ValidationError as error:
        prefix = kind.model_config["env_prefix"]
        lines = [
            f"{prefix}{str(found['loc'][0]).upper()}: {found['msg'].removeprefix('Value error, ')}"
            for found in error.errors()
        ]
        sys.exit("\n".join(lines))


if __name__ == "__main__":
    main()
