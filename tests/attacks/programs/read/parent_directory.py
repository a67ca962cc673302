"""It climbs out of the root."""

EXPECTED = ("GRADER_ERROR",)
SHOWS = "['app', 'dev', 'lib', 'lib64', 'tmp', 'usr']"


def attack():
    import os

    os.chdir("/")
    for _ in range(50):
        os.chdir("..")
    raise AssertionError(sorted(os.listdir(".")))
