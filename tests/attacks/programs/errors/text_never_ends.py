"""The text of its exception takes for ever."""

EXPECTED = ("GRADER_ERROR", "TIMEOUT")
LIMIT_S = 5


class Hostile(Exception):
    def __str__(self):
        while True:
            pass


def attack():
    raise Hostile
