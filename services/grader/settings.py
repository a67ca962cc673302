"""The grader's settings; the only reader of its environment."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from grader.jail.distributions import DISTRIBUTIONS, PREIMPORTED

MIB = 1024 * 1024


def _own_folder() -> Path:
    # Not below a home folder: jails run as other users, who may not enter one.
    return Path(f"/var/tmp/proctor-jails-{os.geteuid()}")  # noqa: S108 - its owner and mode are checked before use


def _cores() -> int:
    return len(os.sched_getaffinity(0))


class Settings(BaseSettings):
    """Read from variables that begin with `GRADER_`.

    Attributes:
        rpc_address: where gRPC is served, `host:port`; port 0 takes a free one.
        bridge_address: the gateway's model bridge.
        internal_secret: signs callers; the same in every service.
        log_level: the least severe level that is logged.
        log_json: one JSON object a line instead of text for people.
        jail_root_dir: folder for the file system of jails; every user must be able to enter it,
            only the grader may write it. Filled at the first start: 220 MB, 70 without libraries.
        libraries: what graders can import besides the standard library: installed distributions,
            separated by commas, with all that these require; empty is none. One that is not
            installed stops the start.
        preimported: modules of these libraries that a jail imports once, when its program names
            their package, instead of in each execution; separated by commas. Those of no library
            are passed over. One that cannot be imported in a jail, starts a thread or keeps a
            descriptor open stops the start: it would not survive a fork.
        cpu_slots: executions that compute at once; those that wait for a model do not count.
        execution_memory_bytes: address space of one execution.
        jail_memory_bytes: memory of a whole jail, where control groups are ours; room for several
            executions, so that one at its own limit does not cost a neighbour its life.
        cgroups: `auto` uses control groups when a trial shows that they are ours, and warns when
            they are not; `required` does not start without; `off` does not try.
        jails_max: jails of runs at once, idle ones included. A quarter of them, at least one, are
            kept for teams that have none. Checks of programs have two more of their own.
        jail_idle_s: an idle jail is kept this long.
        jail_executions_max: a jail is replaced after so many executions,
        jail_age_s: and after this time.
        jail_uid_first: first of the `jails_max` + 3 outside user ids of jails; used only by root.
    """

    model_config = SettingsConfigDict(
        env_prefix="GRADER_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    rpc_address: str
    bridge_address: str
    internal_secret: Annotated[SecretStr, Field(min_length=32)]
    log_level: str = "info"
    log_json: bool = True
    jail_root_dir: Path = Field(default_factory=_own_folder)
    libraries: Annotated[tuple[str, ...], NoDecode] = DISTRIBUTIONS
    preimported: Annotated[tuple[str, ...], NoDecode] = PREIMPORTED
    cpu_slots: Annotated[int, Field(ge=1, le=1024)] = Field(default_factory=_cores)
    execution_memory_bytes: Annotated[int, Field(ge=64 * MIB, le=1024 * MIB)] = 512 * MIB
    jail_memory_bytes: Annotated[int, Field(ge=64 * MIB)] = 1024 * MIB
    cgroups: Literal["auto", "required", "off"] = "auto"
    jails_max: Annotated[int, Field(ge=1, le=1024)] = 16
    jail_idle_s: Annotated[float, Field(ge=0)] = 10.0
    jail_executions_max: Annotated[int, Field(ge=1)] = 5_000
    jail_age_s: Annotated[float, Field(gt=0)] = 600.0
    jail_uid_first: Annotated[int, Field(ge=1_000, le=2**31)] = 200_000

    @field_validator("libraries", "preimported", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(word.strip() for word in value.split(",") if word.strip())
        return value
