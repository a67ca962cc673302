"""Ways to end, to refuse to end and to outlive the own end."""

# ruff: noqa: E501 - programs as text, about places in the jail

from attacks.attack import REFUSED, Attack, Grader


def _ends(
    name: str, why: str, source: str, expected: str, *, also: str = "", because: str = ""
) -> Attack:
    return Attack(
        name=name,
        why=why,
        program=Grader(source=source),
        expected=expected,
        also=also,
        because=because,
        wall_s=2.0,
    )


def _alone(name: str, why: str, source: str, expected: str) -> Attack:
    program = Grader(source=source, alone=True)
    return Attack(name=name, why=why, program=program, expected=expected, wall_s=2.0)


ATTACKS: tuple[Attack, ...] = (
    _ends(
        "exit_zero",
        "exit status 0 and no result must not read as success",
        "\ndef attack(s, i, c):\n    os._exit(0)\n",
        "crashed",
    ),
    _ends("abort", "SIGABRT", "\ndef attack(s, i, c):\n    os.abort()\n", "crashed"),
    _ends(
        "segfault", "a null pointer", "\ndef attack(s, i, c):\n    ctypes.string_at(0)\n", "crashed"
    ),
    _ends(
        "stop_itself",
        "a stopped process uses nothing and never ends",
        "\ndef attack(s, i, c):\n    os.kill(os.getpid(), 19)\n    return False\n",
        "timeout",
    ),
    _ends(
        "kill_itself",
        "SIGKILL as if by the kernel",
        "\ndef attack(s, i, c):\n    os.kill(os.getpid(), 9)\n",
        "crashed",
    ),
    _ends(
        "realtime_signal",
        "a signal that has no name",
        "\ndef attack(s, i, c):\n    os.kill(os.getpid(), 35)\n",
        "crashed",
    ),
    _ends(
        "fake_violation",
        "SIGSYS by its own hand: claims what it did not do, to its own cost only",
        "\ndef attack(s, i, c):\n    os.kill(os.getpid(), 31)\n",
        "sandbox_violation",
    ),
    _ends(
        "fake_cpu_limit",
        "SIGXCPU by its own hand",
        "\ndef attack(s, i, c):\n    os.kill(os.getpid(), 24)\n",
        "timeout",
    ),
    _ends(
        "ignore_all_signals",
        "catches every signal and every exception",
        """
def attack(sample, item, ctx):
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
""",
        "timeout",
    ),
    _ends(
        "signal_storm",
        "timers of a microsecond whose handlers never catch up",
        """
def attack(sample, item, ctx):
    import signal
    for timer, number in ((0, signal.SIGALRM), (1, signal.SIGVTALRM), (2, signal.SIGPROF)):
        signal.signal(number, lambda *a: None)
        signal.setitimer(timer, 0.000001, 0.000001)
    while True:
        pass
""",
        "timeout",
    ),
    _ends(
        "exit_hooks_hang",
        "atexit, finalizers and threads that never return, after the result",
        """
import atexit, threading, weakref
class Clings:
    def __del__(self):
        while True:
            pass
def attack(sample, item, ctx):
    atexit.register(time.sleep, 99)
    threading.Thread(target=time.sleep, args=(99,)).start()
    globals()["kept"] = Clings()
    weakref.finalize(attack, time.sleep, 99)
    return False
""",
        REFUSED,
    ),
    _ends(
        "del_during_result",
        "an object whose finalizer runs while its result is read",
        """
class Bomb:
    def __del__(self):
        forge(b"0")
        os._exit(0)
def attack(sample, item, ctx):
    bomb = Bomb()
    return 1.0 if item is None else 0.0
""",
        REFUSED,
    ),
    _ends(
        "trace_everything",
        "tracing and profiling hooks see and change the runner's frames",
        """
import sys
def attack(sample, item, ctx):
    def trace(frame, event, argument):
        if frame.f_code.co_name in ("send_encoded", "_converse"):
            os._exit(7)
        return trace
    sys.settrace(trace)
    sys.setprofile(lambda *a: None)
    frame = sys._getframe()
    while frame:
        frame.f_trace = trace
        frame = frame.f_back
    sys.addaudithook(lambda *a: None)
    return False
""",
        "crashed",
    ),
    _alone("exit_at_import", "the module's body ends the process", "\nos._exit(0)\n", "crashed"),
    _alone(
        "fork_bomb_at_import",
        "before any function is called",
        "\nwhile True:\n    os.fork()\n",
        "grader_error",
    ),
    _alone(
        "result_at_import",
        "claims a result before anything ran: its own, once",
        '\nforge(b"0")\ntime.sleep(9)\n',
        REFUSED,
    ),
    _alone(
        "threads_at_import",
        "threads that run while the sample does",
        "\nimport threading\nfor _ in range(50):\n    threading.Thread(target=time.sleep, args=(99,), daemon=True).start()\n",
        REFUSED,
    ),
)
