"""Its exit hooks, finalizers and threads never end."""

EXPECTED = ("SCORED",)
SCORE = 0.25


class Undying:
    def __del__(self):
        while True:
            pass


def attack():
    import atexit, threading, time

    global undying
    undying = Undying()
    atexit.register(lambda: time.sleep(1000))
    threading.Thread(target=lambda: time.sleep(1000)).start()
    return 0.25
