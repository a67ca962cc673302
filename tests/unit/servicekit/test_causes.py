from servicekit.causes import causes


def test_an_error_is_its_own_cause() -> None:
    error = ValueError("alone")

    assert list(causes(error)) == [error]


def test_groups_within_groups_tell_their_causes_in_order() -> None:
    first, second, last = ValueError("a"), KeyboardInterrupt(), OSError("c")
    inner = BaseExceptionGroup("inner", [second])

    assert list(causes(BaseExceptionGroup("outer", [first, inner, last]))) == [first, second, last]
