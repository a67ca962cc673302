"""Other processes: to make them, to signal them, to learn about them."""

# ruff: noqa: E501 - programs as text, about places in the jail

from attacks.attack import Attack, refused

ATTACKS: tuple[Attack, ...] = (
    refused(
        "fork_by_every_call",
        "a process that is not the child itself outlives it",
        """
def attack(sample, item, ctx):
    made = 0
    for act in (os.fork, lambda: syscall(57), lambda: syscall(58), lambda: syscall(56, 17, 0, 0, 0, 0), lambda: syscall(56, 0x4111, 0, 0, 0, 0), os.forkpty):
        try:
            if act() == 0:
                os._exit(0)
            made += 1
        except OSError:
            pass
    return made > 0
""",
    ),
    refused(
        "daemon_leftover",
        "forks twice, starts a session: the grandchild outlives the sample",
        """
def attack(sample, item, ctx):
    if os.fork() == 0:
        try:
            os.setsid()
        except OSError:
            pass
        if os.fork() == 0:
            time.sleep(60)
        os._exit(0)
    return True
""",
    ),
    refused(
        "exec_interpreter",
        "subprocess, system, spawn, exec of the interpreter or of the loader",
        """
def attack(sample, item, ctx):
    import subprocess
    done = 0
    for act in (
        lambda: subprocess.run(["/usr/bin/python3", "-c", "1"]), lambda: os.posix_spawn("/usr/bin/python3", ["x"], {}),
        lambda: os.execv("/usr/bin/python3", ["python3", "-c", "1"]), lambda: os.execv("/lib64/ld-linux-x86-64.so.2", ["ld", "/usr/bin/python3"]),
        lambda: syscall(322, os.open("/usr/bin/python3", 0), b"", 0, 0, 0x1000),
    ):
        try:
            act()
            done += 1
        except OSError:
            pass
    return done > 0 or os.system("true") == 0
""",
    ),
    refused(
        "multiprocessing_pool",
        "a pool of processes",
        """
def attack(sample, item, ctx):
    import multiprocessing
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.apply(int) == 0
""",
    ),
    refused(
        "kill_everybody",
        "signals to the runner, to siblings, to groups, to everything",
        """
def attack(sample, item, ctx):
    import signal
    done = 0
    for target in (1, -1, 0, -os.getpgrp(), *(pid for pid in range(1, 200) if pid != os.getpid())):
        for number in (0, signal.SIGKILL, signal.SIGINT):
            try:
                os.kill(target, number)
                done += 1
            except OSError:
                pass
    return done > 0
""",
    ),
    refused(
        "kill_by_other_calls",
        "tkill, tgkill, queued signals, pidfds",
        """
def attack(sample, item, ctx):
    done = 0
    for number, arguments in ((200, (1, 9)), (234, (1, 1, 9)), (129, (1, 9, 0)), (297, (1, 1, 9, 0)), (424, (0, 9, 0, 0)), (424, (channel_fd(), 9, 0, 0))):
        try:
            syscall(number, *arguments)
            done += 1
        except OSError:
            pass
    return done > 0
""",
    ),
    refused(
        "new_session",
        "leaves its session or group, where a kill of the group does not reach",
        """
def attack(sample, item, ctx):
    done = 0
    for act in (os.setsid, lambda: os.setpgid(0, 0), lambda: os.setpgid(1, 1)):
        try:
            act()
            done += 1
        except OSError:
            pass
    return done > 0
""",
    ),
    refused(
        "become_root",
        "other users, groups, capabilities",
        """
def attack(sample, item, ctx):
    done = 0
    for act in (
        lambda: os.setuid(0), lambda: os.setresuid(0, 0, 0), lambda: os.setgid(0), lambda: os.setgroups([0]),
        lambda: syscall(126, ctypes.create_string_buffer(struct.pack("<Ii", 0x20080522, 0)), ctypes.create_string_buffer(bytes([255]) * 24)),
        lambda: os.chroot("/tmp"), lambda: syscall(157, 47, 2, 0, 0, 0), lambda: syscall(157, 8, 1, 0, 0, 0),
    ):
        try:
            act()
            done += 1
        except OSError:
            pass
    return done > 0 or os.getuid() == 0
""",
    ),
    refused(
        "orphan_itself",
        "PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_DUMPABLE: survives, adopts, hides",
        """
def attack(sample, item, ctx):
    done = 0
    for option in (1, 36, 4, 29, 1499557217):
        try:
            syscall(157, option, 0, 0, 0, 0)
            done += 1
        except OSError:
            pass
    return done > 0
""",
    ),
    refused(
        "wait_for_others",
        "learns from wait how others ended",
        """
def attack(sample, item, ctx):
    done = 0
    for act in (lambda: os.waitpid(-1, os.WNOHANG), lambda: os.wait4(1, os.WNOHANG), lambda: os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG)):
        try:
            act()
            done += 1
        except OSError:
            pass
    return done > 0
""",
    ),
)
