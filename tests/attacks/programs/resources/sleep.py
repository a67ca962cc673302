"""It waits for ever and uses no CPU."""

EXPECTED = ("TIMEOUT",)


def attack():
    import time

    time.sleep(1_000_000)
