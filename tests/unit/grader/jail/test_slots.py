import asyncio

from grader.jail.slots import CpuSlots


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
