"""System calls no grader has a reason for: each ends its process in the middle of the act."""

# ruff: noqa: E501 - programs as text, about places in the jail

from attacks.attack import Attack, killed


def _call(name: str, why: str, call: str) -> Attack:
    source = f"\ndef attack(sample, item, ctx):\n    {call}\n    return True\n"
    return killed(name, why, source)


ATTACKS: tuple[Attack, ...] = (
    _call(
        "bpf", "bugs of the eBPF verifier", "syscall(321, 0, ctypes.create_string_buffer(120), 72)"
    ),
    _call(
        "perf_event_open",
        "counters see other processes and have a history of bugs",
        "syscall(298, ctypes.create_string_buffer(struct.pack('<II', 1, 112) + bytes(112)), 0, -1, -1, 0)",
    ),
    _call("userfaultfd", "stops the kernel in the middle of a copy", "syscall(323, 1)"),
    _call(
        "io_uring_setup",
        "io_uring works where no filter sees it",
        "syscall(425, 8, ctypes.create_string_buffer(120))",
    ),
    _call("io_uring_register", "the same by its other door", "syscall(427, 0, 0, 0, 0)"),
    _call(
        "aio_setup", "the older asynchronous I/O", "syscall(206, 8, ctypes.create_string_buffer(8))"
    ),
    _call("add_key", "keyrings belong to no namespace", "syscall(248, b'user', b'k', b'v', 1, -3)"),
    _call("keyctl", "reads keys of the same user elsewhere", "syscall(250, 0, -3, 0)"),
    _call(
        "request_key",
        "makes the kernel start a helper of the host",
        "syscall(249, b'user', b'k', b'', -3)",
    ),
    _call(
        "ptrace_runner", "attaches to the first process of the jail", "syscall(101, 16, 1, 0, 0)"
    ),
    _call("ptrace_parent_of_self", "asks to be traced by the runner", "syscall(101, 0, 0, 0, 0)"),
    _call(
        "read_runner_memory",
        "reads the memory of the first process",
        "syscall(310, 1, ctypes.create_string_buffer(16), 1, ctypes.create_string_buffer(16), 1, 0)",
    ),
    _call(
        "write_runner_memory",
        "writes it",
        "syscall(311, 1, ctypes.create_string_buffer(16), 1, ctypes.create_string_buffer(16), 1, 0)",
    ),
    _call("pidfd_open_runner", "a handle by which descriptors are stolen", "syscall(434, 1, 0)"),
    _call("pidfd_getfd", "takes a descriptor of another process", "syscall(438, 0, 0, 0)"),
    _call("kcmp", "compares pointers of the kernel", "syscall(312, 1, 1, 0, 0, 0)"),
    _call("process_madvise", "evicts another process's memory", "syscall(440, 0, 0, 0, 20, 0)"),
    _call(
        "get_robust_list",
        "leaks an address of another process",
        "syscall(274, 1, ctypes.create_string_buffer(8), ctypes.create_string_buffer(8))",
    ),
    _call(
        "unshare_user", "a user namespace gives all capabilities in it", "syscall(272, 0x10000000)"
    ),
    _call("setns", "enters another namespace", "syscall(308, 0, 0)"),
    _call(
        "mount_tmpfs",
        "mounts over the runner's files",
        "syscall(165, b'x', b'/tmp', b'tmpfs', 0, 0)",
    ),
    _call(
        "mount_cgroup_release_agent",
        "CVE-2022-0492: a cgroup's release agent runs on the host",
        "syscall(165, b'c', b'/tmp', b'cgroup', 0, b'memory')",
    ),
    _call("umount_root", "what lies below the mounts", "syscall(166, b'/dev/null', 2)"),
    _call("pivot_root", "another root", "syscall(155, b'/tmp', b'/tmp')"),
    _call("fsopen", "the newer mount interface has the same power", "syscall(430, b'tmpfs', 0)"),
    _call("open_tree", "clones a tree of mounts", "syscall(428, -100, b'/', 1)"),
    _call("mount_setattr", "makes the root writable", "syscall(442, -100, b'/', 0, 0, 0)"),
    _call(
        "open_by_handle",
        "the shocker: opens any inode of the file system by number",
        "syscall(304, 3, ctypes.create_string_buffer(32), 0)",
    ),
    _call(
        "name_to_handle",
        "its other half",
        "syscall(303, -100, b'/', ctypes.create_string_buffer(200), ctypes.create_string_buffer(8), 0)",
    ),
    _call("fanotify", "watches all files of the host", "syscall(300, 0, 0)"),
    _call("memfd_secret", "memory that not even the kernel's dump sees", "syscall(447, 0)"),
    _call("init_module", "loads code into the kernel", "syscall(175, b'x', 1, b'')"),
    _call("kexec_load", "another kernel", "syscall(246, 0, 0, 0, 0)"),
    _call("reboot", "the whole machine", "syscall(169, 0xFEE1DEAD, 672274793, 0x1234567, 0)"),
    _call("swapon", "swaps memory to a file of its own", "syscall(167, b'/tmp/x', 0)"),
    _call(
        "syslog",
        "the kernel's log has addresses",
        "syscall(103, 3, ctypes.create_string_buffer(4096), 4096)",
    ),
    _call("iopl", "ports of the hardware", "syscall(172, 3)"),
    _call(
        "modify_ldt",
        "segments: a source of many kernel bugs",
        "syscall(154, 0, ctypes.create_string_buffer(64), 64)",
    ),
    _call(
        "clock_settime", "the machine's clock", "syscall(227, 0, ctypes.create_string_buffer(16))"
    ),
    _call("remap_file_pages", "an old call that few kernels test", "syscall(216, 0, 0, 0, 0, 0)"),
    _call("move_pages", "tells where memory of others lies", "syscall(279, 1, 0, 0, 0, 0, 0)"),
    _call("uselib", "an old loader inside the kernel", "syscall(134, b'/app/x')"),
    _call("quotactl", "disk quotas of the host", "syscall(179, 0, 0, 0, 0)"),
    _call(
        "lookup_dcookie",
        "paths of the host",
        "syscall(212, 0, ctypes.create_string_buffer(99), 99)",
    ),
)
