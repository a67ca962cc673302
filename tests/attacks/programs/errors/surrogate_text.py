"""The text of its exception cannot be encoded."""

EXPECTED = ("GRADER_ERROR",)


def attack():
    raise ValueError("\ud800")
