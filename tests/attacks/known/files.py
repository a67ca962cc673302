"""What a program that may write files makes of its folder: full, deep, many, and for the next."""

# ruff: noqa: E501 - programs as text, about places in the jail

from attacks.attack import Attack, Grader, refused
from grader.domain.isolation import Isolation

_FILES = Isolation.FILES
_EMPTY = """
def probe():
    return len(os.listdir("/tmp")) > 0
"""

ATTACKS: tuple[Attack, ...] = (
    refused(
        "files_fill_folder",
        "more than the folder holds",
        """
def attack(sample, item, ctx):
    size = 0
    try:
        for number in range(100):
            with open(f"/tmp/{number}", "wb", buffering=0) as file:
                for _ in range(4):
                    size += file.write(bytes(1 << 20))
    except OSError:
        pass
    return size > 16 << 20
"""
        + _EMPTY,
        only=_FILES,
    ),
    refused(
        "files_ten_thousand",
        "more names than there may be",
        """
def attack(sample, item, ctx):
    try:
        for number in range(10_000):
            os.close(os.open(f"/tmp/{number}", os.O_CREAT | os.O_WRONLY))
    except OSError:
        pass
    return len(os.listdir("/tmp")) > 2_048
"""
        + _EMPTY,
        only=_FILES,
    ),
    refused(
        "files_deep_folders",
        "a path that is longer than any call takes, for whoever clears up",
        """
def attack(sample, item, ctx):
    depth = 0
    try:
        while depth < 10_000:
            os.mkdir("d" * 200)
            os.chdir("d" * 200)
            depth += 1
    except OSError:
        pass
    return depth > 2_048
"""
        + _EMPTY,
        only=_FILES,
    ),
    refused(
        "files_links",
        "names that lead elsewhere, for a host that follows them",
        """
def attack(sample, item, ctx):
    done = 0
    for act in (
        lambda: os.symlink("/etc/passwd", "/tmp/a"), lambda: os.link("/usr/bin/python3", "/tmp/b"), lambda: os.symlink("..", "/tmp/c"),
        lambda: os.mkfifo("/tmp/d"), lambda: os.mknod("/tmp/e", 0o600 | stat.S_IFBLK, 0x800), lambda: os.mknod("/tmp/f"),
        lambda: syscall(88, b"/", b"/tmp/g"), lambda: syscall(266, b"/", -100, b"/tmp/h"), lambda: os.chown("/tmp", 0, 0),
    ):
        try:
            act()
            done += 1
        except OSError:
            pass
    return done > 0
"""
        + _EMPTY,
        only=_FILES,
    ),
    refused(
        "files_sparse",
        "a file of a terabyte that holds nothing",
        """
def attack(sample, item, ctx):
    done = 0
    descriptor = os.open("/tmp/a", os.O_CREAT | os.O_RDWR)
    for act in (
        lambda: os.ftruncate(descriptor, 1 << 40), lambda: os.posix_fallocate(descriptor, 0, 64 << 20),
        lambda: os.pwrite(descriptor, b"x", 1 << 40), lambda: os.truncate("/tmp/a", 5 << 20),
    ):
        try:
            act()
            done += 1
        except OSError:
            pass
    return done > 0
"""
        + _EMPTY,
        only=_FILES,
    ),
    refused(
        "files_that_run",
        "a library or a program that the program wrote",
        """
def attack(sample, item, ctx):
    import _ctypes, mmap, shutil
    done = 0
    shutil.copyfile(_ctypes.__file__, "/tmp/a.so")
    shutil.copyfile("/usr/bin/python3", "/tmp/b") if os.path.getsize("/usr/bin/python3") < 4 << 20 else None
    os.chmod("/tmp/a.so", 0o777)
    descriptor = os.open("/tmp/a.so", os.O_RDWR)
    for act in (
        lambda: ctypes.CDLL("/tmp/a.so"), lambda: os.execv("/tmp/a.so", ["a"]), lambda: os.chmod("/tmp/a.so", 0o6777) or os.execv("/tmp/a.so", ["a"]),
        lambda: mmap.mmap(descriptor, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC),
    ):
        try:
            act()
            done += 1
        except OSError:
            pass
    return done > 0
"""
        + _EMPTY,
        only=_FILES,
    ),
    refused(
        "files_outside_the_folder",
        "every other place of the jail, by every call that changes one",
        """
def attack(sample, item, ctx):
    done = []
    for place in ("/", "/app", "/app/grader", "/usr/bin", "/dev", "/lib"):
        for name, act in {
            "open": lambda: open(f"{place}/x", "w"), "mkdir": lambda: os.mkdir(f"{place}/x"), "tmpfile": lambda: os.open(place, os.O_TMPFILE | os.O_RDWR),
            "chmod": lambda: os.chmod(place, 0o777), "utime": lambda: os.utime(place), "rename": lambda: os.rename("/tmp/own", f"{place}/own"),
            "rename_to_tmp": lambda: os.rename(place, "/tmp/own"), "rmdir": lambda: os.rmdir(place),
        }.items():
            try:
                act()
                done.append((place, name))
            except OSError:
                pass
    for place in ("/app/grader/__init__.py", "/usr/bin/python3", "/dev/null", "/dev/urandom"):
        for name, act in {
            "truncate": lambda: os.truncate(place, 0), "unlink": lambda: os.unlink(place), "chmod": lambda: os.chmod(place, 0o777),
            "utime": lambda: os.utime(place), "old": lambda: os.utime(place, (1, 1)),
        }.items():
            try:
                act()
                done.append((place, name))
            except OSError:
                pass
    if done:
        raise RuntimeError(done)
    return False
"""
        + _EMPTY,
        only=_FILES,
    ),
    Attack(
        name="files_left_by_the_killed",
        why="an execution that is killed in the middle of writing leaves nothing to the next",
        program=Grader(
            source="""
def attack(sample, item, ctx):
    number = 0
    while True:
        try:
            with open(f"/tmp/{number}", "wb") as file:
                file.write(bytes(1 << 20))
        except OSError:
            pass
        number += 1
"""
            + _EMPTY
        ),
        expected="timeout",
        wall_s=1.5,
        only=_FILES,
    ),
    refused(
        "files_as_a_letter_box",
        "a sibling that runs at the same time sees the same folder",
        """
def attack(sample, item, ctx):
    with open("/tmp/letter", "w") as letter:
        letter.write(sample["id"])
    time.sleep(0.5)
    return sorted(os.listdir("/tmp")) != ["letter"] or open("/tmp/letter").read() != sample["id"]
"""
        + _EMPTY,
        only=_FILES,
    ),
    refused(
        "files_held_open",
        "files without names, and names without files",
        """
def attack(sample, item, ctx):
    held = []
    try:
        while True:
            held.append(os.open("/tmp", os.O_TMPFILE | os.O_RDWR))
            os.write(held[-1], bytes(1 << 20))
    except OSError:
        pass
    return len(held) > 63
"""
        + _EMPTY,
        only=_FILES,
    ),
)
