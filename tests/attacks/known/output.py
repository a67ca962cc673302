"""Too many descriptors, files and bytes of output, and patterns that never end."""

from attacks.attack import REFUSED, WORKED, Attack, Grader, refused

_WALL_S = 1.5


def _ends(
    name: str,
    why: str,
    source: str,
    expected: str,
    *,
    also: str = "",
    because: str = "",
    wall_s: float = _WALL_S,
) -> Attack:
    return Attack(
        name=name,
        why=why,
        program=Grader(source=source),
        expected=expected,
        also=also,
        because=because,
        wall_s=wall_s,
    )


ATTACKS: tuple[Attack, ...] = (
    refused(
        "thread_bomb",
        "threads count as processes",
        """
def attack(sample, item, ctx):
    import threading
    started = 0
    try:
        while started < 1000:
            threading.Thread(target=time.sleep, args=(99,), daemon=True).start()
            started += 1
    except RuntimeError:
        pass
    return started >= 64
""",
    ),
    _ends(
        "burning_threads",
        "threads in C burn all cores at once",
        """
def attack(sample, item, ctx):
    import hashlib, threading
    block = bytes(1 << 24)
    def burn():
        while True:
            hashlib.sha256(block)
    for _ in range(20):
        threading.Thread(target=burn, daemon=True).start()
    time.sleep(99)
""",
        "timeout",
    ),
    refused(
        "descriptors",
        "opens until there are no more, and still owes a result",
        """
def attack(sample, item, ctx):
    kept = []
    while len(kept) < 1000:
        kept.append(os.open("/dev/null", os.O_RDONLY))
    return True
""",
    ),
    refused(
        "pipe_memory",
        "memory of pipes and sockets is the kernel's, charged to nobody",
        """
def attack(sample, item, ctx):
    import fcntl, socket
    kept = []
    for _ in range(1000):
        out, into = os.pipe()
        fcntl.fcntl(into, 1031, 1 << 20)
        kept.append(into)
    return True
""",
    ),
    refused(
        "disk_fill",
        "fills every writable place",
        """
def attack(sample, item, ctx):
    written = 0
    for place in ("/tmp/x", "x", "/dev/x", "/app/x", "/usr/x", "/x"):
        try:
            with open(place, "wb") as file:
                for _ in range(1000):
                    written += file.write(bytes(1 << 20))
        except OSError:
            pass
    return written > 0
""",
        with_files=WORKED,
    ),
    refused(
        "sparse_file",
        "a file of a petabyte with nothing in it",
        """
def attack(sample, item, ctx):
    with open("/tmp/x", "wb") as file:
        file.truncate(1 << 50)
    return True
""",
    ),
    _ends(
        "stdout_flood",
        "the host must neither keep it nor stall",
        """
def attack(sample, item, ctx):
    while True:
        print("x" * 65536)
""",
        "output_limit",
    ),
    _ends(
        "stderr_flood_below_python",
        "the same past Python's own streams",
        """
def attack(sample, item, ctx):
    while True:
        os.write(2, bytes(65536))
""",
        "output_limit",
    ),
    _ends(
        "output_in_single_bytes",
        "a million tiny writes",
        """
def attack(sample, item, ctx):
    while True:
        os.write(1, b"x")
""",
        "output_limit",
        also="timeout",
        because="the clock or the limit is first, by the speed of the machine",
    ),
    _ends(
        "streams_destroyed",
        "closes and replaces its streams: the result goes another way",
        """
import sys
def attack(sample, item, ctx):
    for descriptor in (0, 1, 2):
        os.close(descriptor)
    sys.stdout = sys.stderr = None
    return False
""",
        REFUSED,
    ),
    _ends(
        "flush_never_returns",
        "a stream of its own whose flush hangs",
        """
import sys
class Stuck:
    def flush(self):
        while True:
            pass
def attack(sample, item, ctx):
    sys.stdout = Stuck()
    return False
""",
        "timeout",
    ),
    Attack(
        name="pattern_memory_in_extraction",
        why="a pattern that compiles to gigabytes",
        program=Grader(
            source="",
            alone=True,
            extraction={"type": "regex", "pattern": "((((a{1000}){1000}){1000}){1000}){1000}"},
            text="a" * 10_000,
        ),
        expected=REFUSED,
        also="timeout",
        because="Python does not unroll repeats, but matching them may take its time",
        wall_s=4.0,
    ),
)
