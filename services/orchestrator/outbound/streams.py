"""The streams of NATS that the orchestrator owns: work for its workers, facts for subscribers."""

from eventbus.bus import Bus, StreamSpec

WORK = "WORK"
EVENTS = "EVENTS"

_HOUR_S = 3600.0


async def make_streams(bus: Bus, *, replicas: int, events_max_age_h: float) -> None:
    """Make both streams, or bring them up to date.

    Args:
        bus: Where they are.
        replicas: Copies of each in a cluster.
        events_max_age_h: How long facts stay for subscribers that were away, in hours.
    """
    work_stream = StreamSpec(
        name=WORK, subjects=("proctor.work.>",), kind="work", replicas=replicas
    )
    await bus.ensure_stream(work_stream)
    events = StreamSpec(
        name=EVENTS,
        subjects=("proctor.events.>",),
        kind="events",
        max_age_s=events_max_age_h * _HOUR_S,
        # A relay that crashed between publishing and deleting publishes again when it is back.
        duplicate_window_s=min(_HOUR_S, events_max_age_h * _HOUR_S),
        replicas=replicas,
    )
    await bus.ensure_stream(events)
