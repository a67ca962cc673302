"""Reading what is not the program's to read."""

# ruff: noqa: E501 - programs as text, about places in the jail

from attacks.attack import WORKED, Attack, Grader, refused

ATTACKS: tuple[Attack, ...] = (
    refused(
        "host_canary",
        "a file of the host that everybody may read and write",
        """
def attack(sample, item, ctx):
    open(item["canary"], "r+").write("gone")
    return True
""",
    ),
    refused(
        "climb_out",
        "dots, open directories and descriptors below the root",
        """
def attack(sample, item, ctx):
    found = 0
    for path in ("../" * 40 + item["canary"], "/proc/1/root" + item["canary"], "/.." * 20 + item["canary"], "/dev/fd/../../../../.." + item["canary"]):
        try:
            open(path).read()
            found += 1
        except OSError:
            pass
    for descriptor in range(256):
        try:
            os.open("../../../../../../.." + item["canary"], os.O_RDONLY, dir_fd=descriptor)
            found += 1
        except OSError:
            pass
    return found > 0
""",
    ),
    refused(
        "host_files",
        "users, hosts, processes, devices, the service's own code and state",
        """
def attack(sample, item, ctx):
    found = []
    for path in ("/etc/passwd", "/etc/hosts", "/etc/resolv.conf", "/proc/self/mountinfo", "/proc/1/environ", f"/proc/{item['service_pid']}/environ",
                 "/sys/kernel", "/root", "/home", "/var", "/run", "/work", "/dev/shm", "/dev/kvm", "/dev/mem", "/dev/fd", "/dev/tty", "/dev/vsock", "/dev/userfaultfd",
                 "/usr/bin/sh", "/bin/sh", "/usr/bin/env", "/.dockerenv", "/var/run/secrets"):
        try:
            os.stat(path)
            found.append(path)
        except OSError:
            pass
    if found:
        raise RuntimeError(found)
    return False
""",
    ),
    refused(
        "environment",
        "the service's environment holds keys and tokens",
        """
def attack(sample, item, ctx):
    known = {"HOME", "LANG", "PYTHONHASHSEED", "PYTHONPATH", "TMPDIR"}
    known |= {f"{name}_NUM_THREADS" for name in ("MKL", "NUMEXPR", "OMP", "OPENBLAS", "RAYON")}
    address = ctypes.cast(ctypes.CDLL(None).environ, ctypes.c_void_p)
    return len(set(os.environ) - known) > 0
""",
    ),
    refused(
        "stack_above_main",
        "the kernel puts environment, paths and random bytes above the first frame",
        """
def attack(sample, item, ctx):
    environ = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
    start = ctypes.cast(environ, ctypes.c_void_p).value
    raw = ctypes.string_at(start & ~4095, 4096)
    return any(word in raw for word in (b"\\0PATH=/", b"SECRET", b"TOKEN", b"GRADER_"))
""",
    ),
    refused(
        "extra_descriptors",
        "a descriptor forgotten across the fork: the control socket, the program file, a directory of the host",
        """
def attack(sample, item, ctx):
    open_ones = []
    for descriptor in range(1024):
        try:
            os.fstat(descriptor)
            open_ones.append(descriptor)
        except OSError:
            pass
    kinds = [descriptor for descriptor in open_ones if descriptor > 2 and descriptor != channel_fd()]
    if kinds:
        raise RuntimeError([(d, oct(os.fstat(d).st_mode)) for d in kinds])
    return not all(stat.S_ISFIFO(os.fstat(d).st_mode) for d in (1, 2))
""",
    ),
    refused(
        "gc_control_channel",
        "walks the heap for the runner's control socket",
        """
def attack(sample, item, ctx):
    import gc, socket
    gc.unfreeze()
    for found in gc.get_objects():
        if isinstance(found, socket.socket) and found.fileno() not in (-1, channel_fd()):
            return True
        if type(found).__name__ == "Runner":
            try:
                found._answer({"op": "ended", "id": 1, "status": 0, "killed": False, "cpu_s": 0, "rss_bytes": 0})
                return True
            except OSError:
                pass
    return False
""",
    ),
    refused(
        "gc_other_samples",
        "walks the heap for rows of samples before it or beside it",
        """
def attack(sample, item, ctx):
    import gc
    gc.unfreeze()
    mark = item["sibling_mark"]
    def holds(value):
        return isinstance(value, str) and value.startswith(mark) and len(value) > len(mark)
    for found in gc.get_objects():
        if isinstance(found, dict) and any(holds(value) for value in list(found.values())):
            return True
        if isinstance(found, (list, tuple)) and any(holds(value) for value in list(found)):
            return True
    return False
""",
    ),
    refused(
        "raw_heap_other_samples",
        "reads the whole heap of the C library, freed blocks too",
        """
def attack(sample, item, ctx):
    libc = ctypes.CDLL(None)
    libc.sbrk.restype = ctypes.c_void_p
    end = libc.sbrk(0)
    size = 0
    while size < 1 << 22 and syscall(27, (end - size - 4096) & ~4095, 4096, ctypes.create_string_buffer(1)) == 0:
        size += 4096
        if end - size < 4096:
            break
    found = ctypes.string_at(end - size + 4096, max(0, size - 8192))
    return (item["sibling_mark"].encode() + b"7f31") in found
""",
    ),
    refused(
        "import_service_code",
        "modules of the service know its addresses and secrets",
        """
def attack(sample, item, ctx):
    import importlib, sys
    sys.path[:0] = ["/srv/proctor/services", "/app", "/", "..", "/usr/lib/python3/dist-packages"]
    found = []
    for name in ("grader.settings", "grader.app", "grader.jail.pool", "servicekit.tokens", "proctor", "grpc", "orjson", "pydantic"):
        try:
            importlib.import_module(name)
            found.append(name)
        except ImportError:
            pass
    return len(found) > 0
""",
    ),
    refused(
        "foreign_imports",
        "names of codecs and locales become imports and paths",
        """
def attack(sample, item, ctx):
    import codecs, gettext, locale, zipimport
    done = 0
    for act in (
        lambda: codecs.lookup(item["canary"]), lambda: codecs.lookup("../../../../etc/passwd"), lambda: open(0, encoding="..os"),
        lambda: gettext.translation("x", item["canary"]), lambda: zipimport.zipimporter(item["canary"]), lambda: ctypes.CDLL(item["canary"]),
    ):
        try:
            act()
            done += 1
        except (LookupError, OSError, ImportError, ValueError):
            pass
    return done > 0
""",
    ),
    refused(
        "host_identity",
        "the host's name, terminal and users",
        """
def attack(sample, item, ctx):
    names = {os.uname().nodename, os.ctermid()}
    try:
        os.ttyname(0)
        return True
    except OSError:
        pass
    return item["host_name"] in names and item["host_name"] != "jail"
""",
    ),
    refused(
        "other_processes",
        "process ids, sessions and groups of others",
        """
def attack(sample, item, ctx):
    seen = [pid for pid in range(2, 500) if pid != os.getpid() and _alive(pid)]
    return os.getppid() not in (0, 1)
def _alive(pid):
    try:
        os.getsid(pid)
        return True
    except OSError:
        return False
""",
    ),
    Attack(
        name="machine_load",
        why="sysinfo tells memory, load and uptime of the machine",
        program=Grader(
            source="""
def attack(sample, item, ctx):
    raw = ctypes.create_string_buffer(112)
    syscall(99, raw)
    uptime, load = struct.unpack_from("<qQ", raw.raw)
    return uptime > 0
"""
        ),
        expected=WORKED,
    ),
    Attack(
        name="clock_observation",
        why="time can be measured, and with it caches and load: not contained by design; setting the clock is",
        program=Grader(
            source="""
def attack(sample, item, ctx):
    try:
        time.clock_settime(time.CLOCK_TAI, 0.0)
    except OSError:
        pass
    return True
"""
        ),
        expected="sandbox_violation",
    ),
    Attack(
        name="counter_thread",
        why="a thread that counts is a clock as fine as the processor's: not contained, documented",
        program=Grader(
            source="""
import threading
def attack(sample, item, ctx):
    ticks = [0]
    def count():
        while True:
            ticks[0] += 1
    threading.Thread(target=count, daemon=True).start()
    time.sleep(0.05)
    return ticks[0] > 0
"""
        ),
        expected=WORKED,
    ),
)
