"""Keep the leases of this process as long as it works on what they are for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from orchestrator.domain.sharding import Share
from orchestrator.domain.work import Lease, LeaseLost
from orchestrator.ports.stores import Leases
from servicekit import logs
from servicekit.errors import ServiceError

# A lease that was taken before a hurry may come here so much after it.
_TAKING_S = 2.0

_log = logs.get_logger("orchestrator.keep_leases")


class HeldLease:
    """A lease that this process renews, and the share of concurrency that comes with it."""

    def __init__(self, lease: Lease, share: Share | None) -> None:
        self.lease = lease
        self.share = share
        self.on_share: Callable[[Share], None] | None = None
        self.is_lost = False
        self.lets_go = False
        self.scope = asyncio.timeout(None)

    def renewed(self, share: Share | None) -> None:
        """Take note of a renewal; a new share is told to whoever asked."""
        if share is not None and share != self.share:
            self.share = share
            if self.on_share is not None:
                self.on_share(share)

    def let_go(self) -> None:
        """Expect the lease to end with what the work writes last; that tells if it was lost."""
        self.lets_go = True

    def lost(self) -> None:
        """Stop the work that goes on under the lease."""
        self.is_lost = True
        self.scope.reschedule(asyncio.get_running_loop().time())


class LeaseKeeper:
    """Renews leases every `heartbeat_s`, all of them in one statement."""

    def __init__(self, leases: Leases, *, heartbeat_s: float) -> None:
        self._leases = leases
        self._heartbeat_s = heartbeat_s
        self._held: dict[Lease, HeldLease] = {}
        self._wake = asyncio.Event()
        self._hurried_at = float("-inf")

    async def run(self) -> None:
        """Renew until cancelled; while Postgres is away work goes on, for its writes are fenced."""
        while True:
            try:
                async with asyncio.timeout(self._heartbeat_s):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                await self._renew()
            except (ServiceError, TimeoutError) as error:
                _log.warning("leases_not_renewed", leases=len(self._held), error=repr(error))
            except Exception:  # noqa: BLE001 -- without renewals all work here would be lost
                _log.exception("leases_not_renewed", leases=len(self._held))

    @asynccontextmanager
    async def holding(self, lease: Lease, share: Share | None = None) -> AsyncIterator[HeldLease]:
        """Renew a lease while the block runs, and cancel the block when the lease is lost.

        Raises:
            LeaseLost: it was lost.
        """
        held = HeldLease(lease, share)
        self._held[lease] = held
        if asyncio.get_running_loop().time() - self._hurried_at < _TAKING_S:
            self._wake.set()
        try:
            async with held.scope:
                yield held
        except TimeoutError:
            if held.is_lost:
                raise LeaseLost(lease) from None
            raise
        finally:
            del self._held[lease]

    def hurry(self) -> None:
        """Renew now, and soon what is being taken: shares have changed, or a run was stopped."""
        self._hurried_at = asyncio.get_running_loop().time()
        self._wake.set()

    async def _renew(self) -> None:
        asked = dict(self._held)
        if not asked:
            return
        async with asyncio.timeout(self._heartbeat_s * 2):
            renewed = await self._leases.renew(asked)
        for lease, held in asked.items():
            if self._held.get(lease) is not held:
                continue  # its work ended meanwhile
            if lease in renewed:
                held.renewed(renewed[lease])
            elif not held.lets_go:
                _log.warning("lease_lost", run_id=lease.run_id, shard_no=lease.shard_no)
                held.lost()
