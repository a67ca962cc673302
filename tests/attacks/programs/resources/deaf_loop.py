"""It ignores every signal and swallows every exception."""

EXPECTED = ("TIMEOUT",)


def attack():
    import signal

    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
