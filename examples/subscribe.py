"""Print every run that completes: python examples/subscribe.py NATS_URL (from `proctor status`)."""

import asyncio
import json
import sys

import nats


async def main() -> None:
    """Subscribe durably: what is announced while this is away comes later; copies share."""
    connection = await nats.connect(sys.argv[1])
    subject = "proctor.events.run.completed.v1.>"
    events = await connection.jetstream().subscribe(subject, queue="example")
    async for message in events.messages:
        run = json.loads(message.data)["run"]
        print(run["run_id"], run["state"], run["request_counts"])
        await message.ack()


asyncio.run(main())
