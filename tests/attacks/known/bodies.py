"""Module bodies that run in the runner itself, where that was asked for.

What they do to their own samples is their own affair; another way than the expected one shows as a
fault of a sibling, of the sample after, or of the other team.
"""

# ruff: noqa: E501 - programs as text, about places in the jail

from attacks.attack import REFUSED, WORKED, Attack, Grader
from grader.domain.isolation import Isolation

_WALL_S = 2.0
# Fills memory on a busy machine, or keeps the host waiting for its runner.
_SLOW_S = 6.0


def _body(
    name: str,
    why: str,
    source: str,
    expected: str = REFUSED,
    *,
    alone: bool = False,
    wall_s: float = _WALL_S,
) -> Attack:
    return Attack(
        name=name,
        why=why,
        program=Grader(source=source, alone=alone),
        expected=expected,
        wall_s=wall_s,
        only=Isolation.PRELOAD,
    )


ATTACKS: tuple[Attack, ...] = (
    _body(
        "body_says_loaded",
        "answers the host in the runner's place while it still runs",
        """
try:
    os.write(10, b'{"op":"loaded"}')
except OSError:
    pass
time.sleep(0.3)
""",
    ),
    _body(
        "body_says_ended",
        "says of executions how they ended before there are any",
        """
try:
    for number in range(1, 9):
        os.write(10, b'{"op":"ended","id":%d,"status":0,"killed":false,"cpu_s":0,"rss_bytes":0}' % number)
except OSError:
    pass
""",
    ),
    _body(
        "body_floods_control",
        "answers without end",
        """
try:
    while True:
        os.write(10, b'{"op":"loaded"}' * 200)
except OSError:
    pass
""",
    ),
    _body(
        "body_closes_control",
        "the runner hears and says nothing any more",
        """
try:
    os.close(10)
except OSError:
    pass
""",
    ),
    _body(
        "body_keeps_control",
        "a second descriptor of the control socket, which the executions inherit",
        """
try:
    kept = os.dup(10)
except OSError:
    kept = -1
def attack(sample, item, ctx):
    for number in range(1, 9):
        os.write(kept, b'{"op":"ended","id":%d,"status":0,"killed":false,"cpu_s":0,"rss_bytes":0}' % number)
    return kept < 0
""",
    ),
    _body(
        "body_steals_orders",
        "an execution reads what the host tells the runner",
        """
import socket
try:
    kept = socket.socket(fileno=os.dup(10))
except OSError:
    kept = None
def attack(sample, item, ctx):
    if kept is None:
        return False
    kept.settimeout(1)
    while True:
        kept.recv(65_536)
""",
    ),
    _body(
        "body_never_reaps",
        "the runner stops to end executions and to say so",
        """
import sys
runner = getattr(sys.modules["__main__"], "Runner", None)
if runner is not None:
    runner._reap = lambda self: None
""",
        wall_s=_SLOW_S,
    ),
    _body(
        "body_lies_about_endings",
        "numbers that no wait gives, in place of the runner's answers",
        """
import sys
runner = getattr(sys.modules["__main__"], "Runner", None)
if runner is not None:
    answer = runner._answer
    runner._answer = lambda self, frame: answer(self, {**frame, "status": 1 << 80, "cpu_s": "x"})
""",
    ),
    Attack(
        name="body_grades_in_its_runner",
        why="a runner that was taken over grades its own samples as it likes, and nobody else's",
        program=Grader(
            source="""
import sys
runner = sys.modules.get("grader.inside.runner.child")
if runner is not None:
    encode = runner.encode
    runner.encode = lambda frame: encode({"result": {"outcome": "scored", "scores": {"score": 1.0}}})
    runner._converse = lambda program, job, channel: channel.send({"result": {"outcome": "scored", "scores": {"score": 1.0}}})
""",
            alone=True,
        ),
        expected=WORKED,
        wall_s=_WALL_S,
        only=Isolation.PRELOAD,
    ),
    _body(
        "body_breaks_json",
        "the runner can no longer write what the host reads",
        """
import sys
channel = sys.modules.get("grader.inside.runner.channel")
main = sys.modules["__main__"]
if hasattr(main, "Runner"):
    main.encode = lambda value: b"\\xff"
""",
    ),
    _body(
        "body_forks",
        "processes that no execution may have, left running",
        """
try:
    for _ in range(60):
        if os.fork() == 0:
            while True:
                time.sleep(1)
except OSError:
    pass
""",
    ),
    _body(
        "body_fork_bomb",
        "each process makes more of them, in a session of its own",
        """
try:
    for _ in range(10_000):
        os.fork()
except OSError:
    pass
""",
    ),
    _body(
        "body_forks_later",
        "the runner makes processes beside the executions that were ordered",
        """
import sys
main = sys.modules["__main__"]
if hasattr(main, "Runner"):
    run = main.Runner._run
    def running(self, order, descriptors):
        for _ in range(20):
            if os.fork() == 0:
                x = bytearray(100 << 20)
                time.sleep(60)
                os._exit(0)
        return run(self, order, descriptors)
    main.Runner._run = running
def attack(sample, item, ctx):
    time.sleep(1)
    return False
""",
    ),
    _body(
        "body_threads",
        "a thread that goes on beside the runner",
        """
import threading
def later():
    while True:
        time.sleep(0.05)
        try:
            os.write(10, b"{}")
        except OSError:
            pass
try:
    for _ in range(20):
        threading.Thread(target=later, daemon=True).start()
except RuntimeError:
    pass
""",
    ),
    _body(
        "body_threads_later",
        "a thread of the runner that computes beside the executions, without a CPU slot",
        """
import mmap, sys, threading
main = sys.modules["__main__"]
beats = mmap.mmap(-1, 8)
def later():
    while True:
        beats[0] = (beats[0] + 1) % 256
        time.sleep(0.001)
if hasattr(main, "Runner"):
    run = main.Runner._run
    def running(self, order, descriptors):
        run(self, order, descriptors)
        if threading.active_count() == 1:
            threading.Thread(target=later, daemon=True).start()
    main.Runner._run = running
def attack(sample, item, ctx):
    time.sleep(0.6)
    seen = beats[0]
    time.sleep(0.1)
    return beats[0] != seen
""",
    ),
    _body(
        "body_handlers",
        "handlers for every signal: the runner is no longer immune to them",
        """
import signal
for number in signal.valid_signals():
    try:
        signal.signal(number, lambda *_: os._exit(0))
    except OSError:
        pass
def attack(sample, item, ctx):
    done = 0
    for target in (1, -1, 0):
        try:
            os.kill(target, signal.SIGUSR1)
            done += target == 1
        except OSError:
            pass
    return done > 0
""",
    ),
    _body(
        "body_alarm",
        "a timer of the runner that goes off among the executions",
        """
import signal
signal.setitimer(signal.ITIMER_REAL, 0.2)
signal.setitimer(signal.ITIMER_REAL, 0) if os.getpid() != 1 else None
""",
    ),
    _body(
        "body_spins",
        "never ends, and swallows what is thrown at it",
        """
while True:
    try:
        while True:
            pass
    except BaseException:
        pass
""",
        "timeout",
        alone=True,
    ),
    _body(
        "body_spins_in_c",
        "never ends, in one call that no signal interrupts",
        "sum(range(10**13))",
        "timeout",
        alone=True,
    ),
    _body(
        "body_eats_memory",
        "more than an execution may have",
        "x = [bytearray(50 << 20) for _ in range(100)]",
        "out_of_memory",
        alone=True,
        wall_s=_SLOW_S,
    ),
    _body(
        "body_raises_its_limits",
        "takes back what was lowered for it",
        """
import resource
for which in (resource.RLIMIT_AS, resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE):
    try:
        resource.setrlimit(which, (resource.getrlimit(which)[1],) * 2)
    except (OSError, ValueError):
        pass
eaten = []
try:
    while len(eaten) < 100:
        eaten.append(bytearray(20 << 20))
except MemoryError:
    pass
size = len(eaten) * 20
del eaten
def attack(sample, item, ctx):
    return size > 600
""",
        wall_s=_SLOW_S,
    ),
    _body(
        "body_takes_all_descriptors",
        "the runner has none left for executions",
        """
taken = []
try:
    while True:
        taken.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
for _ in range(3):
    os.close(taken.pop())
""",
    ),
    _body(
        "body_leaves_files",
        "notes in the only writable place, for executions to read and to add to",
        """
for act in (
    lambda: open("/tmp/note", "w"), lambda: os.mkdir("/tmp/folder"), lambda: os.open("/tmp", os.O_TMPFILE | os.O_RDWR),
    lambda: os.mkfifo("/tmp/pipe"), lambda: os.symlink("/app", "/tmp/link"), lambda: os.rename("/tmp", "/tmp2"),
):
    try:
        act()
    except OSError:
        pass
def attack(sample, item, ctx):
    return len(os.listdir("/tmp")) > 0
""",
    ),
    _body(
        "body_prints_without_end",
        "the runner's standard error is the service's log",
        """
if os.getpid() == 1:
    for _ in range(100):
        os.write(2, b"x" * 1_000_000)
        os.write(1, b"x" * 1_000_000)
""",
    ),
    _body(
        "body_leaves_the_namespace",
        "the first process of a jail has no more rights than others",
        """
for number in (272, 308, 165, 161, 155):  # unshare, setns, mount, chroot, pivot_root
    if os.getpid() != 1:
        break
    syscall(number, 0x10000000, 0, 0, 0, 0)
""",
    ),
    _body(
        "body_starts_a_program",
        "another program in the place of the runner",
        """
for act in (lambda: os.execv("/usr/bin/python3", ["python3", "-c", "0"]), lambda: os.posix_spawn("/usr/bin/python3", ["python3"], {})):
    try:
        act()
    except OSError:
        pass
""",
    ),
)
