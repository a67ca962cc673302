"""It starts a program in the usual way."""

EXPECTED = ("GRADER_ERROR",)
SHOWS = "PermissionError"


def attack():
    import subprocess, sys

    return subprocess.run([sys.executable, "-c", "print(1)"]).returncode
