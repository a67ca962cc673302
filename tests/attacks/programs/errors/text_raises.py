"""The text of its exception raises."""

EXPECTED = ("GRADER_ERROR",)


class Hostile(Exception):
    def __str__(self):
        raise self

    __repr__ = __str__


def attack():
    raise Hostile
