"""It leaves a note for later samples."""

EXPECTED = ("GRADER_ERROR",)
SHOWS = "OSError"


def attack():
    open("/tmp/note", "w").write("the target is x")
