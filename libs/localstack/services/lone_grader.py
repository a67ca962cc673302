"""A grader by itself, for who wants to try a program: no stack, no state that stays."""

import asyncio
import json
import os
import secrets
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from localstack.errors import LocalStackError, StartError
from localstack.log_tails import last_words, tail
from localstack.ports import free_port
from localstack.secrets import SECRET_BYTES
from localstack.services.environments import lone_grader_environment, loopback
from localstack.services.service import Service
from localstack.stack.folder import StateFolder

# Away from those of a stack's grader: the kernel counts the processes of a user in all jails
# together. Two graders of this kind get different ones as long as their process ids are near.
_UID_FIRST = 300_000
_JAILS_MAX = 15
# A grader takes one for each jail of runs, two for those that check programs and one for the trial.
_UIDS = _JAILS_MAX + 3
_GRADERS_MAX = 4_096

_NAME = "grader"
_END_S = 1.0


def new_secret() -> str:
    """Return a secret for one lone grader and whoever talks with it."""
    return secrets.token_urlsafe(SECRET_BYTES)


def jail_defaults(process_id: int) -> dict[str, str]:
    """Return how many jails the lone grader of a process has, and the first of its user ids."""
    uid_first = _UID_FIRST + process_id % _GRADERS_MAX * _UIDS
    return {"JAIL_UID_FIRST": str(uid_first), "JAILS_MAX": str(_JAILS_MAX)}


@asynccontextmanager
async def running_grader(
    *, bridge_port: int, secret: str, environment: Mapping[str, str]
) -> AsyncIterator[str]:
    """Run a grader of our own for the length of a block and yield its address.

    It starts as any grader does, with the test of its jails, and it is the kernel that ends it
    should this process be killed.

    Args:
        bridge_port: where the model bridge that it may ask listens on the loopback address.
        secret: signs callers, in both directions.
        environment: variables of the caller, of which it gets those that begin with `GRADER_`.

    Raises:
        LocalStackError: jails do not work here; the message is the grader's, and says what to do.
            Or it ended while the block ran, and the block failed for it.
    """
    with tempfile.TemporaryDirectory(prefix="proctor-grader-") as temporary:
        folder = StateFolder(Path(temporary))
        folder.make()
        address = loopback(free_port())
        told = lone_grader_environment(
            {"RPC_ADDRESS": address, "BRIDGE_ADDRESS": loopback(bridge_port)},
            secret=secret,
            defaults=jail_defaults(os.getpid()),
            outside=environment,
        )
        service = Service(
            _NAME, folder=folder, cwd=folder.path, environment=told, rpc_address=address
        )
        try:
            await service.start()
        except StartError as error:
            raise LocalStackError(_why(folder) or _without_folder(error, folder)) from error
        try:
            yield address
        except Exception as error:
            if await _ended(service):
                said = last_words(tail(_log(folder)))
                raise LocalStackError(
                    f"The grader ended amid its work.\n{said}".rstrip()
                ) from error
            raise
        finally:
            await service.stop()


async def _ended(service: Service) -> bool:
    """Tell whether a grader that did not answer is gone; its end is known a moment later."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_END_S):
            await service.wait()
    return not service.running


def _log(folder: StateFolder) -> Path:
    return folder.logs / f"{_NAME}.log"


def _why(folder: StateFolder) -> str:
    """Return what the grader said of its jails; empty when it failed for another reason."""
    for line in reversed(tail(_log(folder)).splitlines()):
        with suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict) and event.get("event") == "jails_do_not_work":
                return f"Graders cannot run here: {event.get('reason')}"
    return ""


def _without_folder(error: StartError, folder: StateFolder) -> str:
    # The log is gone when the sentence is read.
    return str(error).replace(f"; its log is {_log(folder)}", "")
