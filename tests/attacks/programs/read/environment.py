"""It prints the environment of the service: keys, tokens."""

EXPECTED = ("GRADER_ERROR",)
SHOWS = "['HOME', 'LANG', 'PYTHONHASHSEED', 'PYTHONPATH', 'TMPDIR']"


def attack():
    import os

    print(dict(os.environ))
    raise AssertionError(sorted(os.environ))
