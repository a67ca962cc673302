"""Free TCP ports on the loopback address."""

import random
import socket
from pathlib import Path

from localstack.errors import LocalStackError

LOOPBACK = "127.0.0.1"
PORT_MIN = 15_000  # below are the ports that well-known servers listen on
PORT_RANGE_FILE = Path("/proc/sys/net/ipv4/ip_local_port_range")
PORT_MAX_DEFAULT = 32_768
ATTEMPTS = 200  # a machine with 200 taken ports in a row of random picks has another problem


def free_port() -> int:
    """Return a port that nobody listens on right now.

    It lies below the range from which the kernel takes ports of outgoing connections, so that it is
    likely to stay free until it is used, and again after a restart.

    Raises:
        LocalStackError: no free port was found.
    """
    ceiling = _first_outgoing_port()
    for _ in range(ATTEMPTS):
        port = random.randrange(PORT_MIN, ceiling)  # noqa: S311 - not a secret
        if is_free(port):
            return port
    raise LocalStackError(f"no free TCP port between {PORT_MIN} and {ceiling} on {LOOPBACK}")


def is_free(port: int) -> bool:
    """Tell whether a server could listen on `port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Servers set it too: connections of a server that just ended (TIME_WAIT) do not block.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _first_outgoing_port() -> int:
    try:
        first = int(PORT_RANGE_FILE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return PORT_MAX_DEFAULT
    return first if first > PORT_MIN + 1_000 else PORT_MAX_DEFAULT
