import re

from servicekit.ids import new_id


def test_an_id_is_its_prefix_and_32_hexadecimal_digits() -> None:
    assert re.fullmatch(r"evalrun_[0-9a-f]{32}", new_id("evalrun"))


def test_no_two_ids_are_the_same() -> None:
    assert len({new_id("run") for _ in range(1000)}) == 1000
