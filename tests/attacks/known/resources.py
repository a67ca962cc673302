"""Too much time and too much memory."""

# ruff: noqa: E501 - programs as text, about places in the jail

from attacks.attack import REFUSED, Attack, Grader

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


def _body(name: str, why: str, body: str, expected: str) -> Attack:
    return _ends(name, why, f"\ndef attack(sample, item, ctx):\n    {body}\n", expected)


def _at_import(name: str, why: str, source: str, expected: str) -> Attack:
    program = Grader(source=source, alone=True)
    return Attack(name=name, why=why, program=program, expected=expected, wall_s=_WALL_S)


ATTACKS: tuple[Attack, ...] = (
    _body("loop", "pure Python, for ever", "while True: pass", "timeout"),
    _body(
        "loop_in_c",
        "one call that holds the interpreter and sees no signal",
        "return sum(range(10**13)) > 0",
        "timeout",
    ),
    _body("power_tower", "one operator, for ever", "return 9**9**9 > 0", "timeout"),
    _body(
        "regex_bomb",
        "catastrophic backtracking holds the interpreter",
        "import re; return bool(re.match(r'(a|aa)+$', 'a' * 60 + 'b'))",
        "timeout",
    ),
    _body(
        "decimal_bomb",
        "a fraction of ten million digits",
        "import decimal; decimal.getcontext().prec = 10**8; return bool(decimal.Decimal(2).sqrt())",
        "timeout",
    ),
    _body("sleep", "uses nothing and never ends", "time.sleep(999)", "timeout"),
    _body(
        "lock",
        "waits for what never comes",
        "import threading; threading.Lock().acquire() and threading.Event().wait()",
        "timeout",
    ),
    _body("poll", "polls nothing, for ever", "import select; select.poll().poll()", "timeout"),
    _body(
        "event_loop",
        "an event loop that is never done",
        "import asyncio; asyncio.run(asyncio.sleep(999))",
        "timeout",
    ),
    _body(
        "read_stdin",
        "reads what nobody writes: stdin is empty",
        "return len(os.read(0, 10)) > 0",
        REFUSED,
    ),
    _at_import(
        "loop_at_import", "the module's body is on the clock too", "\nwhile True: pass\n", "timeout"
    ),
    _at_import(
        "sleep_at_import", "the same without the processor", "\ntime.sleep(999)\n", "timeout"
    ),
    _at_import(
        "memory_at_import",
        "the same for memory",
        "\nkept = [bytearray(50_000_000) for _ in range(100)]\n",
        "out_of_memory",
    ),
    _body(
        "memory_at_once",
        "one allocation of a terabyte",
        "return len(bytearray(1 << 40)) > 0",
        "out_of_memory",
    ),
    _ends(
        "memory_small_pieces",
        "small objects pass every look at single allocations",
        """
def attack(sample, item, ctx):
    kept = []
    while True:
        kept.append([kept] * 1000)
""",
        "out_of_memory",
        wall_s=10.0,
    ),
    _ends(
        "memory_shared_mapping",
        "shared anonymous memory counts as a file's",
        """
def attack(sample, item, ctx):
    import mmap
    kept = []
    while True:
        kept.append(mmap.mmap(-1, 1 << 26))
        kept[-1].write(bytes(1 << 26))
""",
        REFUSED,
        also="out_of_memory",
        because="mmap reports the limit as an OSError; Python's own memory may reach it first",
        wall_s=10.0,
    ),
    _ends(
        "memory_error_swallowed",
        "goes on after every MemoryError",
        """
def attack(sample, item, ctx):
    kept = []
    while True:
        try:
            kept.append(bytearray(1 << 20))
        except MemoryError:
            pass
""",
        "timeout",
    ),
    _ends(
        "recursion_in_python",
        "a stack without a limit",
        """
def attack(sample, item, ctx):
    import sys
    sys.setrecursionlimit(10**9)
    def down(): return down()
    return down()
""",
        "out_of_memory",
        also="timeout",
        because="on a slow machine the clock is first",
    ),
    _ends(
        "recursion_in_c",
        "the stack of the C library overflows",
        """
def attack(sample, item, ctx):
    import sys
    sys.setrecursionlimit(10**9)
    nested = []
    for _ in range(10**6):
        nested = [nested]
    return len(repr(nested)) > 0
""",
        "crashed",
        wall_s=10.0,
    ),
    _ends(
        "decompression_bomb",
        "a kilobyte that unpacks to gigabytes",
        """
def attack(sample, item, ctx):
    import zlib
    packed = zlib.compress(bytes(50_000_000), 9)
    kept = b""
    while True:
        kept += zlib.decompress(packed)
""",
        "out_of_memory",
        also="timeout",
        because="on a slow machine the clock is first",
    ),
    _ends(
        "hash_collisions",
        "a dict whose every key collides is quadratic",
        """
def attack(sample, item, ctx):
    return len({n * (2**61 - 1): n for n in range(1, 200_000)}) == 0
""",
        "timeout",
    ),
    _ends(
        "compile_bomb",
        "source that crashes or stalls the compiler, at run time",
        """
def attack(sample, item, ctx):
    done = 0
    for source in ("(" * 100_000, "-" * 500_000 + "1", "x" + "[0]" * 200_000, "lambda:" * 50_000 + "0"):
        try:
            compile(source, "x", "eval")
            done += 1
        except (SyntaxError, RecursionError, MemoryError):
            pass
    return False
""",
        REFUSED,
        also="crashed",
        because="the compiler of some Python versions overflows its stack, which is this child's alone",
        wall_s=15.0,
    ),
)
