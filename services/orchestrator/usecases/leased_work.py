"""Do work under a lease, and see to it that whatever happens the run goes on or ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from orchestrator.domain.failure import INTERNAL, Failure
from orchestrator.domain.sharding import Share
from orchestrator.domain.work import Lease, LeaseLost
from orchestrator.ports.stores import Leases, RunSteps
from orchestrator.usecases.failures import is_passing, lost_lease, run_failure
from orchestrator.usecases.keep_leases import HeldLease, LeaseKeeper
from servicekit import logs

# A step that fails this often for no passing reason will fail for ever; a run must end.
MISHAPS_MAX = 10

# A stopping process has 10 s in all; giving leases back is the first thing it does with them.
_RELEASE_S = 3.0

_log = logs.get_logger("orchestrator.leased_work")


class LeasedWork:
    """Runs blocks of work under leases."""

    def __init__(self, leases: Leases, steps: RunSteps, keeper: LeaseKeeper) -> None:
        self._leases = leases
        self._steps = steps
        self._keeper = keeper

    @asynccontextmanager
    async def under(
        self, lease: Lease, *, share: Share | None = None, stage: str
    ) -> AsyncIterator[HeldLease]:
        """Run the block while the lease is kept.

        A lost lease ends the block quietly, and so does a RunFailed, after the run was ended with
        it. Anything else gives the lease back and is raised, so that the message comes again; too
        much of that ends the run.
        """
        with logs.bind_log_fields(run_id=lease.run_id, shard_no=lease.shard_no, epoch=lease.epoch):
            try:
                async with self._keeper.holding(lease, share) as held:
                    yield held
            except asyncio.CancelledError:
                await self._give_back(lease)
                raise
            except Exception as error:  # noqa: BLE001 -- each kind has its own end below
                if lost_lease(error):
                    _log.info("work_handed_over")
                    # Ours still when the run is being cancelled, which waits for it to be back.
                    await self._give_back(lease)
                    return
                await self._end_or_give_back(lease, error, stage)

    def hurry(self) -> None:
        """Renew leases at once: other shards have a larger share."""
        self._keeper.hurry()

    async def _end_or_give_back(self, lease: Lease, error: BaseException, stage: str) -> None:
        failure = run_failure(error)
        if failure is None:
            mishap = not is_passing(error)
            mishaps = await self._leases.release(lease, mishap=mishap)
            if not mishap or mishaps < MISHAPS_MAX:
                raise error
            _log.error("run_given_up", exc_info=error, mishaps=mishaps)
            message = "the service failed repeatedly; its log has the reason"
            failure = Failure(code=INTERNAL, message=message, stage=stage)
        await self._fail(lease, failure)

    async def _fail(self, lease: Lease, failure: Failure) -> None:
        try:
            await self._steps.fail(lease, failure)
        except LeaseLost:
            _log.info("work_handed_over")
            await self._give_back(lease)
        else:
            _log.info("run_failed", code=failure.code, message=failure.message)

    async def _give_back(self, lease: Lease) -> None:
        try:
            async with asyncio.timeout(_RELEASE_S):
                await self._leases.release(lease, mishap=False)
        except Exception as error:  # noqa: BLE001 -- the lease ends by itself
            _log.warning("lease_not_released", error=repr(error))
