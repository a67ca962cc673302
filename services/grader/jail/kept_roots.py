"""Roots of earlier releases: in use by a service that still runs, or to be removed."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grader.jail.root import remove_root

# Going back a release within this time finds its root still there.
KEPT_S = 7 * 86_400.0


@contextmanager
def in_use(root: Path) -> Iterator[None]:
    """Keep `root` from being removed by any service on this machine while the block runs."""
    descriptor = os.open(_lock_of(root), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        os.utime(descriptor)
        yield
    finally:
        os.close(descriptor)


def remove_unused(folder: Path) -> None:
    """Remove the roots in `folder` that nobody uses and nobody has used for a week.

    With them go the libraries that no root has any more.
    """
    oldest = time.time() - KEPT_S
    for lock in folder.glob("root-*.lock"):
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if lock.stat().st_mtime < oldest:
                remove_root(lock.with_suffix(""))
                for beside in (".cfg", ".tried"):
                    lock.with_suffix(beside).unlink(missing_ok=True)
                lock.unlink()
        except OSError:  # in use, or another service is removing it
            continue
        finally:
            os.close(descriptor)
    for layer in folder.glob("libraries-*"):
        if layer.stat().st_mtime < oldest and not _is_shared(layer):
            remove_root(layer)


def _is_shared(layer: Path) -> bool:
    """Whether a root has the files of a layer of libraries too."""
    return any(path.stat().st_nlink > 1 for path in layer.rglob("*.py"))


def _lock_of(root: Path) -> Path:
    return root.with_suffix(".lock")
