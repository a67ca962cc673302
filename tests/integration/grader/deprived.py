"""Run the grader on a kernel that lacks something, or without one of its files.

    python deprived.py [--as ID] [--no-user-namespaces] [--cover SOURCE TARGET] [--machine NAME]
                       [--files COUNT]

makes a user namespace around itself, takes the thing away in it, and becomes `python -m grader`.
Nothing outside of the namespace changes.
"""

import argparse
import ctypes
import os
import resource
import sys
from pathlib import Path

_CLONE_NEWNS, _CLONE_NEWUSER = 0x20000, 0x10000000
_MS_BIND = 0x1000
_PER_LINUX32 = 0x0008
_PROC = Path("/proc")

_libc = ctypes.CDLL(None, use_errno=True)


def enter_namespace(inside_id: int) -> None:
    """Be `inside_id` in a namespace that knows no other user; who is not 0 loses all rights."""
    user, group = os.geteuid(), os.getegid()
    _checked(_libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS))
    (_PROC / "self/setgroups").write_text("deny", encoding="ascii")
    (_PROC / "self/uid_map").write_text(f"{inside_id} {user} 1", encoding="ascii")
    (_PROC / "self/gid_map").write_text(f"{inside_id} {group} 1", encoding="ascii")


def forbid_user_namespaces() -> None:
    """Set the limit of the own namespace; each namespace has one."""
    (_PROC / "sys/user/max_user_namespaces").write_text("0", encoding="ascii")


def cover(source: str, target: str) -> None:
    """Put a file or folder in another's place."""
    _checked(_libc.mount(source.encode(), target.encode(), None, ctypes.c_ulong(_MS_BIND), None))


def _checked(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def main() -> None:
    """Take away what the arguments name."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--as", type=int, default=1000, dest="inside_id")
    parser.add_argument("--no-user-namespaces", action="store_true")
    parser.add_argument("--cover", nargs=2, action="append", default=[])
    parser.add_argument("--machine", choices=["i686"])
    parser.add_argument("--files", type=int)
    chosen = parser.parse_args()
    enter_namespace(chosen.inside_id)
    for source, target in chosen.cover:
        cover(source, target)
    if chosen.files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (chosen.files, chosen.files))
    if chosen.no_user_namespaces:
        forbid_user_namespaces()
    if chosen.machine:
        _libc.personality(_PER_LINUX32)
    os.execv(sys.executable, [sys.executable, "-m", "grader"])  # noqa: S606 - the service itself


if __name__ == "__main__":
    main()
