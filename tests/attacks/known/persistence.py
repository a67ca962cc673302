"""Traces left for later samples, other teams, or the host."""

# ruff: noqa: E501 - programs as text, about places in the jail

from attacks.attack import REFUSED, WORKED, Attack, Grader, refused

ATTACKS: tuple[Attack, ...] = (
    refused(
        "notes_in_tmp",
        "a file in the only writable place would be there for the next sample",
        """
def attack(sample, item, ctx):
    open("/tmp/note", "w").write(sample["id"])
    return True
def probe():
    return len(os.listdir("/tmp")) > 0
""",
        with_files=WORKED,
    ),
    refused(
        "notes_by_every_call",
        "all the other ways to make something in a file system",
        """
def attack(sample, item, ctx):
    done = []
    acts = {
        "mkdir": lambda: os.mkdir("/tmp/a"), "symlink": lambda: os.symlink("/", "/tmp/b"), "mkfifo": lambda: os.mkfifo("/tmp/c"),
        "link": lambda: os.link("/usr/bin/python3", "/tmp/d"), "mknod": lambda: os.mknod("/tmp/e"), "rename": lambda: os.rename("/app", "/tmp/f"),
        "tmpfile": lambda: os.open("/tmp", os.O_TMPFILE | os.O_RDWR), "chmod": lambda: os.chmod("/tmp", 0o777), "utime": lambda: os.utime("/tmp"),
        "setxattr": lambda: os.setxattr("/tmp", b"user.a", b"b"), "truncate": lambda: os.truncate("/app/grader/__init__.py", 0),
        "creat": lambda: syscall(85, b"/tmp/g", 0o666), "openat2": lambda: syscall(437, -100, b"/tmp/h", ctypes.create_string_buffer(struct.pack("<QQQ", 0o102, 0o666, 0)), 24),
        "mkdirat": lambda: syscall(258, -100, b"/tmp/i", 0o777), "chmod_null": lambda: os.chmod("/dev/null", 0o000), "fchmodat2": lambda: syscall(452, -100, b"/dev/null", 0, 0),
        "utimes": lambda: syscall(235, b"/tmp", 0), "utime2": lambda: syscall(132, b"/tmp", 0), "futimesat": lambda: syscall(261, -100, b"/tmp", 0),
    }
    for name, act in acts.items():
        try:
            act()
            done.append(name)
        except OSError:
            pass
    if done:
        raise RuntimeError(done)
    return False
def probe():
    return len(os.listdir("/tmp")) > 0
""",
        with_files="grader_error",  # it says which calls made something: in its own folder
    ),
    refused(
        "rewrite_runner",
        "changes the code that later samples run",
        """
def attack(sample, item, ctx):
    for place in ("/app/grader/inside/grading.py", "/app/grader/inside/__pycache__", "/usr/bin/python3"):
        try:
            os.open(place, os.O_WRONLY)
            return True
        except OSError:
            os.open(place, os.O_RDWR | os.O_CREAT)
    return False
""",
    ),
    Attack(
        name="patch_runner_in_memory",
        why="replaces the runner's functions, so that later samples are graded 1.0",
        program=Grader(
            source="""
import sys
def attack(sample, item, ctx):
    import builtins, json
    for name, module in list(sys.modules.items()):
        if name.startswith("grader."):
            for key, value in list(vars(module).items()):
                if callable(value) and key not in ("attack",):
                    try:
                        setattr(module, key, lambda *a, **k: {"result": {"scores": {"score": 1.0}}})
                    except Exception:
                        pass
    builtins.patched = True
    forge(b"0")
    time.sleep(9)
def probe():
    import builtins
    return hasattr(builtins, "patched")
"""
        ),
        expected=REFUSED,
    ),
    Attack(
        name="poison_sys_modules",
        why="puts its own modules in the place of the standard library's",
        program=Grader(
            source="""
import sys
def attack(sample, item, ctx):
    import types
    for name in ("json", "math", "os", "re", "struct", "socket", "linecache", "traceback", "asyncio", "encodings.utf_8"):
        sys.modules[name] = types.ModuleType(name)
    sys.meta_path.clear()
    sys.path_hooks.clear()
    sys.path[:] = ["/tmp"]
    return False
def probe():
    import json, math
    return not hasattr(json, "dumps") or not hasattr(math, "sqrt")
"""
        ),
        expected=REFUSED,
    ),
    Attack(
        name="poison_builtins",
        why="every later line of the child runs over broken builtins",
        program=Grader(
            source="""
def attack(sample, item, ctx):
    import builtins
    for name in dir(builtins):
        if name not in ("BaseException", "__import__"):
            try:
                setattr(builtins, name, None)
            except BaseException:
                pass
    return False
def probe():
    return len is None
"""
        ),
        expected="crashed",
        also=REFUSED,
        because="the child may or may not manage to say its result; nobody else is hurt",
    ),
    Attack(
        name="thread_after_result",
        why="a thread that goes on when the result is sent, to forge the next one",
        program=Grader(
            source="""
import threading
def attack(sample, item, ctx):
    def later():
        while True:
            try:
                forge(b"1")
            except OSError:
                pass
    threading.Thread(target=later, daemon=True).start()
    forge(b"0")
    time.sleep(9)
"""
        ),
        expected=REFUSED,
        also="worked",
        because="the thread may be first to forge this very sample's own result; later samples stay right",
    ),
    Attack(
        name="own_source_swapped",
        why="time of check, time of use: changes its code after it was checked",
        program=Grader(
            source="""
def attack(sample, item, ctx):
    for place in ("grader.py", "/tmp/grader.py", "/app/grader.py"):
        try:
            open(place, "w").write("def grade(s, i): return 1.0")
            return True
        except OSError:
            pass
    return False
"""
        ),
        expected=REFUSED,
        with_files=WORKED,  # a file of that name, not the code that runs
    ),
    refused(
        "locks_on_shared_files",
        "all jails share the inodes of the root: a lock is a channel to other teams",
        """
def attack(sample, item, ctx):
    import fcntl
    done = 0
    with open("/app/grader/__init__.py") as shared:
        for act in (
            lambda: fcntl.flock(shared, fcntl.LOCK_SH | fcntl.LOCK_NB), lambda: fcntl.lockf(shared, fcntl.LOCK_SH | fcntl.LOCK_NB),
            lambda: fcntl.fcntl(shared, fcntl.F_SETLEASE, fcntl.F_RDLCK), lambda: fcntl.fcntl(shared, fcntl.F_NOTIFY, 1),
            lambda: fcntl.fcntl(shared, 37, struct.pack("hhqqi4x", 0, 0, 0, 0, 0)), lambda: fcntl.fcntl(shared, 1036, struct.pack("Q", 1)),
        ):
            try:
                act()
                done += 1
            except OSError:
                pass
    return done > 0
""",
    ),
    refused(
        "dev_null_as_a_letter_box",
        "the one writable file that all jails share keeps nothing, also not its times, mode or position",
        """
def attack(sample, item, ctx):
    done = 0
    descriptor = os.open("/dev/null", os.O_RDONLY)
    for act in (
        lambda: os.fchmod(descriptor, 0o600), lambda: os.utime("/dev/null", (1, 1)), lambda: os.chown("/dev/null", 1000, 1000),
        lambda: os.setxattr("/dev/null", b"user.x", b"y"), lambda: os.ftruncate(descriptor, 9), lambda: os.posix_fallocate(descriptor, 0, 9),
        lambda: os.open("/dev/urandom", os.O_WRONLY),
    ):
        try:
            act()
            done += 1
        except OSError:
            pass
    return done > 0
""",
        with_files=WORKED,  # the random numbers' device opens, and keeps nothing either
    ),
    refused(
        "priority_and_limits",
        "raises its own limits or the runner's",
        """
def attack(sample, item, ctx):
    import resource
    done = 0
    for act in (
        lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1)), lambda: resource.setrlimit(resource.RLIMIT_NPROC, (320, 320)),
        lambda: resource.prlimit(1, resource.RLIMIT_AS, (1, 1)), lambda: resource.prlimit(os.getpid(), resource.RLIMIT_CPU, (-1, -1)),
        lambda: os.nice(-5), lambda: os.setpriority(os.PRIO_PROCESS, 1, 19), lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
        lambda: os.sched_setaffinity(0, {0}), lambda: syscall(251, 1, 0, 0),
    ):
        try:
            act()
            done += 1
        except (OSError, ValueError):
            pass
    return done > 0
""",
    ),
)
