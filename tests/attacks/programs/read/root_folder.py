"""It lists what lies at the root."""

EXPECTED = ("GRADER_ERROR",)
SHOWS = "['app', 'dev', 'lib', 'lib64', 'tmp', 'usr']"


def attack():
    import os

    raise AssertionError(sorted(os.listdir("/")))
