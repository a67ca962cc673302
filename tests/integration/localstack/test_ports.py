import socket

from localstack.ports import LOOPBACK, free_port, is_free


def test_a_free_port_lies_below_those_of_outgoing_connections() -> None:
    port = free_port()

    assert 15_000 <= port < 32_768
    assert is_free(port)


def test_a_port_that_somebody_listens_on_is_not_free() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        assert not is_free(server.getsockname()[1])
