"""It changes its own source or the standard library."""

EXPECTED = ("GRADER_ERROR",)
SHOWS = "OSError"


def attack():
    open("/usr/lib/python3.11/json/__init__.py", "a").write("import os")
