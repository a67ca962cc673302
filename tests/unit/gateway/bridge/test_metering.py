import asyncio

from gateway.bridge.metering import UsageMeter, metering
from gateway.domain.run_token import RunGrant
from gateway.domain.usage import ModelUsage, TokenCounts
from pgstore.availability import StoreUnavailable
from unit.gateway.backend.usage import MemoryUsage

TOKENS = TokenCounts(input_tokens=10, output_tokens=2)


def grant(run_id: str = "run_1") -> RunGrant:
    return RunGrant(
        run_id=run_id,
        org_id="org",
        team_id="team",
        candidates=("m",),
        judge="judge",
        embedding=None,
    )


async def test_calls_are_summed_by_run_and_model() -> None:
    ledger = MemoryUsage()
    async with metering(ledger) as meter:
        meter.note(grant(), "judge", TOKENS)
        meter.note(grant(), "judge", TokenCounts(input_tokens=1))
        meter.note(grant(), "other", TokenCounts())
        meter.note(grant("run_2"), "judge", TOKENS)

    found = await ledger.of_runs(["run_1"])
    assert found["run_1"] == {
        "judge": ModelUsage(calls=2, tokens=TokenCounts(input_tokens=11, output_tokens=2)),
        "other": ModelUsage(calls=1),
    }


async def test_sums_are_written_while_calls_go_on() -> None:
    ledger = MemoryUsage()
    meter = UsageMeter(ledger, write_s=0)
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(meter.run())
        meter.note(grant(), "judge", TOKENS)
        async with asyncio.timeout(5):
            while not ledger.sums:
                await asyncio.sleep(0)
        writing.cancel()

    (written,) = ledger.sums.values()
    assert written.usage.calls == 1


async def test_what_could_not_be_written_is_written_later_and_counted_once() -> None:
    ledger = MemoryUsage(failing=[StoreUnavailable("away")])
    meter = UsageMeter(ledger)
    meter.note(grant(), "judge", TOKENS)
    await meter.close()
    assert not ledger.sums

    meter.note(grant(), "judge", TOKENS)
    await meter.close()
    await meter.close()

    assert [entry.usage.calls for entry in ledger.sums.values()] == [2]


async def test_two_processes_add_up() -> None:
    ledger = MemoryUsage()
    for _ in range(2):
        async with metering(ledger) as meter:
            meter.note(grant(), "judge", TOKENS)

    assert (await ledger.of_runs(["run_1"]))["run_1"]["judge"].calls == 2
