import socket
from pathlib import Path

import pytest

from localstack.errors import LocalStackError
from localstack.ports import LOOPBACK, free_port
from localstack.stack.folder import StateFolder


def test_ports_differ_and_stay_the_same(tmp_path: Path) -> None:
    first = StateFolder(tmp_path).ports(("a", "b", "c"), wanted={})

    assert len(set(first.values())) == 3
    assert StateFolder(tmp_path).ports(("a", "b", "c"), wanted={"a": 0}) == first


def test_a_kept_port_that_somebody_took_is_replaced(tmp_path: Path) -> None:
    kept = StateFolder(tmp_path).ports(("a",), wanted={})["a"]

    with socket.create_server((LOOPBACK, kept)):
        assert StateFolder(tmp_path).ports(("a",), wanted={})["a"] != kept


def test_a_wanted_port_is_kept_for_the_next_time(tmp_path: Path) -> None:
    wanted = free_port()

    assert StateFolder(tmp_path).ports(("a",), wanted={"a": wanted}) == {"a": wanted}
    assert StateFolder(tmp_path).ports(("a",), wanted={}) == {"a": wanted}


def test_a_wanted_port_that_is_taken_is_refused(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(LocalStackError, match=f"port {port} is taken"):
            StateFolder(tmp_path).ports(("a",), wanted={"a": port})
