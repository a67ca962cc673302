"""The gateway's own commands, run as processes: nothing here knows what they know.

They are short, and waited for; a loop that has other things to do waits in a thread.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from localstack.errors import LocalStackError
from localstack.services.environments import for_the_gateway
from localstack.services.model_routes import ModelRoutes

COMMAND_S = 60.0


def run_gateway(arguments: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> str:
    """Run `python -m gateway <arguments>` and return what it prints.

    Raises:
        LocalStackError: it refused; the message is what it said.
    """
    try:
        ended = subprocess.run(  # noqa: S603 - a module of ours
            [sys.executable, "-P", "-m", "gateway", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={"PATH": os.defpath, **env},
            cwd=cwd,
            timeout=COMMAND_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        message = f"`python -m gateway {arguments[0]}` did not end within {COMMAND_S:.0f} s"
        raise LocalStackError(message) from None
    if ended.returncode != 0:
        raise LocalStackError(ended.stderr.decode(errors="replace").strip())
    return ended.stdout.decode()


def list_models_file(routes: ModelRoutes, environment: Mapping[str, str]) -> str:
    """Let the gateway list the models of a file, one JSON object a line.

    Raises:
        LocalStackError: the file cannot be used; says every problem.
    """
    return run_gateway(
        ["models", "list", str(routes.path)],
        env=for_the_gateway(environment, routes.key_variables),
        cwd=routes.path.parent,
    )


def check_models_file(routes: ModelRoutes, environment: Mapping[str, str]) -> None:
    """Let the gateway read a models file, with the provider keys that it would get.

    Raises:
        LocalStackError: the gateway would not start with it; says every problem.
    """
    run_gateway(
        ["models", "check", str(routes.path)],
        env=for_the_gateway(environment, routes.key_variables),
        # A path of a key file is meant as seen from the models file that names it.
        cwd=routes.path.parent,
    )
