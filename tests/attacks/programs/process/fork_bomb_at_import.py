"""It forks for ever while it is loaded, before any function is called."""

EXPECTED = ("GRADER_ERROR",)
AT_IMPORT = True
SHOWS = "PermissionError"


import os

while True:
    os.fork()
