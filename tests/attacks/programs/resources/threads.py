"""It starts threads without end."""

EXPECTED = ("GRADER_ERROR",)
SHOWS = "RuntimeError"


def attack():
    import threading

    while True:
        threading.Thread(target=threading.Event().wait, daemon=True).start()
