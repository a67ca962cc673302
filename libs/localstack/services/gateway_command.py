"""The gateway's own commands, run as processes: nothing here knows what they know."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from localstack.errors import LocalStackError
from localstack.services.environments import for_the_gateway
from localstack.services.model_routes import ModelRoutes

COMMAND_S = 60.0


async def run_gateway(arguments: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> str:
    """Run `python -m gateway <arguments>` and return what it prints.

    Raises:
        LocalStackError: it refused; the message is what it said.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "gateway", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.defpath, **env},
        cwd=cwd,
    )
    try:
        async with asyncio.timeout(COMMAND_S):
            printed, complaint = await process.communicate()
    except TimeoutError:
        message = f"`python -m gateway {arguments[0]}` did not end within {COMMAND_S:.0f} s"
        raise LocalStackError(message) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise LocalStackError(complaint.decode(errors="replace").strip())
    return printed.decode()


async def list_models_file(routes: ModelRoutes, environment: Mapping[str, str]) -> str:
    """Let the gateway list the models of a file, one JSON object a line.

    Raises:
        LocalStackError: the file cannot be used; says every problem.
    """
    return await run_gateway(
        ["models", "list", str(routes.path)],
        env=for_the_gateway(environment, routes.key_variables),
        cwd=routes.path.parent,
    )


async def check_models_file(routes: ModelRoutes, environment: Mapping[str, str]) -> None:
    """Let the gateway read a models file, with the provider keys that it would get.

    Raises:
        LocalStackError: the gateway would not start with it; says every problem.
    """
    await run_gateway(
        ["models", "check", str(routes.path)],
        env=for_the_gateway(environment, routes.key_variables),
        # A path of a key file is meant as seen from the models file that names it.
        cwd=routes.path.parent,
    )
