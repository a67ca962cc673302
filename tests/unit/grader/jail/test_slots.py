import asyncio

from grader.jail.slots import CpuSlots


async def test_no_more_compute_at_once_than_there_are_slots() -> None:
    slots = CpuSlots(2)
    computing = most = 0

    async def compute() -> None:
        nonlocal computing, most
        async with slots.hold():
            computing += 1
            most = max(most, computing)
            await asyncio.sleep(0)
            computing -= 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(10):
            tasks.create_task(compute())

    assert most == 2


async def test_one_that_waits_for_a_model_lets_others_compute() -> None:
    slots = CpuSlots(1)
    async with slots.hold() as waiting:
        waiting.lend_back()
        waiting.lend_back()

        async with asyncio.timeout(1), slots.hold():
            pass

        assert await waiting.take_again() >= 0.0
        assert await waiting.take_again() == 0.0
    async with asyncio.timeout(1), slots.hold():
        pass


async def test_two_answers_at_once_take_one_slot() -> None:
    slots = CpuSlots(2)
    async with slots.hold() as one, slots.hold() as other:
        one.lend_back()
        other.lend_back()

        async with asyncio.TaskGroup() as answers:
            answers.create_task(one.take_again())
            answers.create_task(one.take_again())

        async with asyncio.timeout(1):
            await other.take_again()


async def test_teams_that_wait_take_turns() -> None:
    slots = CpuSlots(1)
    order: list[str] = []

    async def compute(team: str) -> None:
        async with slots.hold(team):
            order.append(team)

    async with asyncio.TaskGroup() as tasks, slots.hold("first"):
        for team in ("many", "many", "many", "few", "many", "few"):
            tasks.create_task(compute(team))
        await asyncio.sleep(0)

    assert order == ["many", "few", "many", "few", "many", "many"]


async def test_one_that_gives_up_waiting_takes_no_slot() -> None:
    slots = CpuSlots(1)
    async with slots.hold("a"):
        async with asyncio.TaskGroup() as tasks:
            early, late = (tasks.create_task(slots.acquire(team)) for team in ("b", "c"))
            await asyncio.sleep(0)
            early.cancel()
            await asyncio.sleep(0)
            slots.release()
            late.cancel()  # the slot is its own, but it has not woken up
        await slots.acquire("a")

    async with asyncio.timeout(1), slots.hold("d"):
        pass
