from gateway.inbound.resources.resource import object_of


def test_an_object_with_a_whole_number_of_any_length_can_be_read() -> None:
    assert object_of(b'{"x":1%b}' % (b"0" * 400)) == {"x": 10**400}


def test_no_bytes_are_an_empty_object() -> None:
    assert object_of(b"") == {}
