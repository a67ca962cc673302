"""`python -m gateway` serves; `… keys` administers API keys and `… models` checks a models file.

Each imports its own parts when it is asked for: the commands do without REST and the bridge.
"""

import asyncio
import sys
from collections.abc import Sequence
from typing import TypeVar

from pydantic import ValidationError

from gateway.settings import KeySettings, Settings, provider_environment

Kind = TypeVar("Kind", bound=KeySettings)


def main() -> None:
    """Do what the command line asks for."""
    match sys.argv[1:]:
        case []:
            _serve()
        case ["keys", *arguments]:
            sys.exit(asyncio.run(_administer_keys(arguments)))
        case ["models", *arguments]:
            sys.exit(_look_at_models(arguments))
        case _:
            sys.exit("usage: python -m gateway [keys … | models …]")


def _serve() -> None:
    from gateway.app.service import build  # noqa: PLC0415
    from servicekit.lifecycle import run_service  # noqa: PLC0415
    from servicekit.logs import configure_logs  # noqa: PLC0415

    settings = _read(Settings)
    configure_logs("gateway", settings.log_level, settings.log_json)
    run_service(lambda: build(settings), "gateway")


def _look_at_models(arguments: Sequence[str]) -> int:
    from gateway.bridge.models_command import run_models_command  # noqa: PLC0415

    return run_models_command(arguments, provider_environment())


async def _administer_keys(arguments: Sequence[str]) -> int:
    from gateway.app.keys import open_keys  # noqa: PLC0415
    from gateway.inbound.keys_command import read_arguments, run_keys_command  # noqa: PLC0415
    from servicekit.clock import SystemClock  # noqa: PLC0415

    options = read_arguments(arguments)
    settings = _read(KeySettings)
    pepper = settings.key_pepper.get_secret_value().encode()

    def log_only_trouble() -> None:
        from servicekit.logs import configure_logs  # noqa: PLC0415

        # The command's own output is what its caller reads.
        configure_logs("gateway", "warning", settings.log_json)

    async with open_keys(settings, before_upgrade=log_only_trouble) as keys:
        return await run_keys_command(options, keys, pepper=pepper, clock=SystemClock())


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
