"""The name of its exception has ten million characters."""

EXPECTED = ("GRADER_ERROR",)


def attack():
    raise type("A" * 10_000_000, (Exception,), {})
