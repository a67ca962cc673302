"""Other doors into the kernel: executable memory, foreign call numbers, what is refused with an error."""

# ruff: noqa: E501 - programs as text, about places in the jail

from attacks.attack import REFUSED, Attack, Grader, refused


def _call(name: str, why: str, call: str) -> Attack:
    return refused(name, why, f"\ndef attack(sample, item, ctx):\n    {call}\n    return True\n")


ATTACKS: tuple[Attack, ...] = (
    refused(
        "int80_shellcode",
        "the 32-bit entry has other call numbers; it needs executable memory first",
        """
def attack(sample, item, ctx):
    import mmap
    code = mmap.mmap(-1, 4096, prot=7)
    code.write(bytes.fromhex("b814000000cd80c3"))  # mov eax, 20 (getpid); int 0x80; ret
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    return ctypes.CFUNCTYPE(ctypes.c_int)(address)() > 0
""",
    ),
    refused(
        "memory_made_executable",
        "writes code first and asks for the right to run it later",
        """
def attack(sample, item, ctx):
    import mmap
    page = mmap.mmap(-1, 4096)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    return syscall(10, address, 4096, 5) == 0
""",
    ),
    refused(
        "memory_executable_by_key",
        "pkey_mprotect is mprotect by another number",
        """
def attack(sample, item, ctx):
    import mmap
    page = mmap.mmap(-1, 4096)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    return syscall(329, address, 4096, 5, -1) == 0
""",
    ),
    _call(
        "personality_read_implies_exec",
        "makes all readable memory executable",
        "syscall(135, 0x0400000)",
    ),
    refused(
        "memfd_exec",
        "a program that exists in memory only",
        """
def attack(sample, item, ctx):
    descriptor = syscall(319, b"x", 0)
    os.write(descriptor, open("/usr/bin/python3", "rb").read())
    os.execve(descriptor, ["python3", "-c", "1"], {})
    return True
""",
    ),
    refused(
        "dlopen_from_tmp",
        "a library of its own making",
        """
def attack(sample, item, ctx):
    import glob, shutil
    library = glob.glob("/usr/lib/**/_struct*.so", recursive=True) + glob.glob("/**/lib-dynload/_struct*.so", recursive=True)
    shutil.copyfile(library[0], "/tmp/x.so")
    ctypes.CDLL("/tmp/x.so")
    return True
""",
    ),
    _call("x32_getpid", "x32 numbers dodge careless lists", "syscall(0x40000000 + 39)"),
    _call("x32_bpf", "the same for a dangerous one", "syscall(0x40000000 + 321, 0, 0, 0)"),
    _call("negative_number", "numbers that wrap around", "syscall(-1 << 31)"),
    refused(
        "calls_of_the_future",
        "calls that this kernel has and the list of the policy's day lacks",
        """
def attack(sample, item, ctx):
    answered = []
    for number in (*range(337, 425), 443, 444, 445, 446, *range(448, 600)):
        try:
            syscall(number, 0, 0, 0, 0, 0, 0)
            answered.append(number)
        except OSError as error:
            if error.errno not in (38, 1):
                answered.append(number)
    if answered:
        raise RuntimeError(answered)
    return False
""",
    ),
    Attack(
        name="uretprobe",
        why="since Linux 6.14 these two calls pass by all filters",
        program=Grader(
            source="""
def attack(sample, item, ctx):
    for number in (335, 336):
        try:
            syscall(number)
        except OSError:
            pass
    return False
"""
        ),
        expected="crashed",
        also=REFUSED,
        because="outside of a probe the kernel ends the process; an older kernel lacks the calls",
    ),
    refused(
        "clone3_user_namespace",
        "clone3 has its flags in memory, where no filter can look",
        """
def attack(sample, item, ctx):
    pid = syscall(435, ctypes.create_string_buffer(struct.pack("<QQQQQQQQ", 0x10000000, 0, 0, 0, 17, 0, 0, 0)), 64)
    if pid == 0:
        os._exit(0)
    return True
""",
    ),
    refused(
        "clone_namespaces",
        "every namespace flag of the old clone, also with CLONE_THREAD beside it",
        """
def attack(sample, item, ctx):
    made = 0
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        for extra in (17, 0x10f00):
            try:
                if syscall(56, flag | extra, 0, 0, 0, 0) == 0:
                    os._exit(0)
                made += 1
            except OSError:
                pass
    return made > 0
""",
    ),
    refused(
        "seccomp_listener",
        "a filter of its own that notifies, or that loosens",
        """
def attack(sample, item, ctx):
    program = ctypes.create_string_buffer(struct.pack("<HBBI", 6, 0, 0, 0x7FFF0000))
    head = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", 1, ctypes.addressof(program)))
    done = 0
    for act in (lambda: syscall(317, 1, 8, head), lambda: syscall(157, 22, 2, head, 0, 0)):
        try:
            act()
            done += 1
        except OSError:
            pass
    return done > 0
""",
    ),
    refused(
        "ipc_that_outlives_processes",
        "System V and POSIX queues, semaphores, shared memory",
        """
def attack(sample, item, ctx):
    done = 0
    for act in (
        lambda: syscall(29, 7, 4096, 0o1666), lambda: syscall(64, 7, 1, 0o1666), lambda: syscall(68, 7, 0o1666),
        lambda: syscall(240, b"q", 0o102, 0o666, 0), lambda: open("/dev/shm/x", "w"),
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
        "dirty_pipe",
        "splice and its kin put pages of read-only files into pipes",
        """
def attack(sample, item, ctx):
    source = os.open("/usr/bin/python3", os.O_RDONLY)
    out, into = os.pipe()
    done = 0
    for act in (
        lambda: os.splice(source, into, 1), lambda: os.sendfile(into, source, 0, 1), lambda: os.copy_file_range(source, into, 1),
        lambda: syscall(276, out, into, 1, 0), lambda: syscall(278, into, 0, 0, 0),
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
        "page_cache_probe",
        "tells which pages of shared files others have read lately: cachestat, preadv2 with RWF_NOWAIT",
        """
def attack(sample, item, ctx):
    source = os.open("/usr/bin/python3", os.O_RDONLY)
    done = 0
    for act in (
        lambda: syscall(451, source, ctypes.create_string_buffer(16), ctypes.create_string_buffer(40), 0),
        lambda: os.preadv(source, [bytearray(1)], 0, 8),
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
        "terminal_injection",
        "TIOCSTI pushes characters into a terminal, TIOCLINUX pastes",
        """
def attack(sample, item, ctx):
    import fcntl
    done = 0
    for descriptor in (0, 1, 2):
        for request in (0x5412, 0x541C, 0x540E):
            try:
                fcntl.ioctl(descriptor, request, b"x")
                done += 1
            except OSError:
                pass
    return done > 0
""",
    ),
    refused(
        "odd_descriptors",
        "kinds of descriptors that are kernel code nobody here needs",
        """
def attack(sample, item, ctx):
    done = []
    for number, arguments in (
        (253, ()), (294, (0,)), (284, (0,)), (290, (0, 0)), (283, (1, 0)), (282, (-1, ctypes.create_string_buffer(8), 8)),
        (289, (-1, ctypes.create_string_buffer(8), 8, 0)), (222, (0, 0, ctypes.create_string_buffer(8))), (319, (b"x", 0)),
        (444, (0, 0, 1)),
    ):
        try:
            syscall(number, *arguments)
            done.append(number)
        except OSError:
            pass
    return len(done) > 0
""",
    ),
    refused(
        "locked_memory",
        "memory that cannot be swapped or reclaimed",
        """
def attack(sample, item, ctx):
    done = 0
    for number, arguments in ((149, (0, 4096)), (151, (3,)), (325, (0, 4096, 0))):
        try:
            syscall(number, *arguments)
            done += 1
        except OSError:
            pass
    return done > 0
""",
    ),
)
