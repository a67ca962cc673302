"""`python -m gateway` serves; `python -m gateway keys …` administers API keys."""

import asyncio
import sys
from collections.abc import Sequence

from gateway.app import build, open_database
from gateway.inbound.keys_command import read_arguments, run_keys_command
from gateway.outbound.api_key_table import PostgresApiKeys
from gateway.settings import KeySettings, Settings
from servicekit.clock import SystemClock
from servicekit.lifecycle import run_service
from servicekit.logs import configure_logs


def main() -> None:
    """Do what the command line asks for."""
    match sys.argv[1:]:
        case []:
            _serve()
        case ["keys", *arguments]:
            sys.exit(asyncio.run(_administer_keys(arguments)))
        case _:
            sys.exit("usage: python -m gateway [keys …]")


def _serve() -> None:
    settings = Settings.model_validate({})
    configure_logs("gateway", settings.log_level, settings.log_json)
    run_service(lambda: build(settings), "gateway")


async def _administer_keys(arguments: Sequence[str]) -> int:
    options = read_arguments(arguments)
    settings = KeySettings.model_validate({})
    # The command's own output is what its caller reads; only trouble is worth a log line.
    configure_logs("gateway", "warning", settings.log_json)
    pepper = settings.key_pepper.get_secret_value().encode()
    async with open_database(settings) as database:
        return await run_keys_command(
            options, PostgresApiKeys(database), pepper=pepper, clock=SystemClock()
        )


if __name__ == "__main__":
    main()
