"""The state folder of a stack: where everything lies, and who may use it now."""

import fcntl
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from localstack.errors import LocalStackError
from localstack.ports import free_port, is_free
from localstack.secrets import secret_from, write_private

LOCK_ATTEMPTS = 10
LOCK_PAUSE_S = 0.02


class StackAlreadyUp(LocalStackError):
    """Another process keeps a stack running in this folder."""

    def __init__(self, state_dir: Path, pid: int) -> None:
        super().__init__(
            f"a stack is already up in {state_dir} (pid {pid}): use it, stop it with "
            f"`proctor down --state {state_dir}`, or name another folder with --state"
        )
        self.state_dir = state_dir
        self.pid = pid


class StateFolder:
    """The paths of one stack; its owner alone can enter the folder and read its logs."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.logs = self.path / "logs"
        self.blobs = self.path / "blobs"
        self.models_file = self.path / "models.toml"
        self.control_socket = self.path / "control.sock"
        self._lock = self.path / "up.lock"
        self._ports = self.path / "ports.json"

    def make(self) -> None:
        """Make the folder if it is missing, and close one that others can enter to them.

        Raises:
            LocalStackError: the path cannot be made a folder, or others can enter it and it holds
                what is not of a stack.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._close_to_others()
            for folder in (self.logs, self.blobs):
                folder.mkdir(mode=0o700, exist_ok=True)
            for log in self.logs.iterdir():
                log.chmod(0o600)
        except OSError as error:
            raise LocalStackError(f"cannot use {self.path} as a state folder: {error}") from error

    def _close_to_others(self) -> None:
        if not self.path.stat().st_mode & 0o077:
            return
        # Whoever names /tmp or a home folder by mistake must not lock everybody out of it.
        if not self._lock.exists() and any(self.path.iterdir()):
            raise LocalStackError(
                f"{self.path} is open to other users and holds files that are not of a stack: name "
                "an empty folder with --state, or `chmod 700` this one"
            )
        self.path.chmod(0o700)

    def secret(self, name: str) -> str:
        """Return the secret with this name; it is made once and kept."""
        return secret_from(self.path / "secrets" / name)

    def ports(self, names: Iterable[str], *, wanted: dict[str, int]) -> dict[str, int]:
        """Return a port for each name: the wanted one, else the one of last time, else a free one.

        Raises:
            LocalStackError: a wanted port is taken.
        """
        kept: dict[str, int] = {}
        with suppress(FileNotFoundError, ValueError):
            kept = json.loads(self._ports.read_text())
        chosen: dict[str, int] = {}
        for name in names:
            port = wanted.get(name) or kept.get(name, 0)
            if wanted.get(name) and not is_free(port):
                raise LocalStackError(f"the port {port} is taken; choose another with --port")
            while not port or port in chosen.values() or not is_free(port):
                port = free_port()
            chosen[name] = port
        write_private(self._ports, json.dumps({**kept, **chosen}, indent=2))
        return chosen

    def kept_port(self, name: str) -> int:
        """Return the port that a part of the stack has.

        Raises:
            LocalStackError: it has none yet.
        """
        try:
            port: int = json.loads(self._ports.read_text())[name]
        except (FileNotFoundError, ValueError, KeyError):
            raise LocalStackError(f"no {name} has run in {self.path}") from None
        return port

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep every other process from starting a stack here, for the length of a block.

        The kernel lets go of the lock when its holder dies, however it dies.

        Raises:
            StackAlreadyUp: another process holds it.
        """
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not _locks_soon(descriptor):
                raise StackAlreadyUp(self.path, _pid_in(descriptor))
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
            yield
        finally:
            os.close(descriptor)

    def holder(self) -> int | None:
        """Return the pid of the process that holds the folder; None when nobody does."""
        try:
            descriptor = os.open(self._lock, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            return None if _locks(descriptor) else _pid_in(descriptor)
        finally:
            os.close(descriptor)


def _locks_soon(descriptor: int) -> bool:
    # `holder` of another process looks by locking, for a moment.
    for _ in range(LOCK_ATTEMPTS):
        if _locks(descriptor):
            return True
        time.sleep(LOCK_PAUSE_S)
    return False


def _locks(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pid_in(descriptor: int) -> int:
    # Its holder writes it right after it got the lock; 0 is the moment between.
    return int(os.pread(descriptor, 32, 0) or b"0")
