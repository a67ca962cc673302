from orchestrator.domain.tokens import NO_TOKENS, Tokens, sum_tokens


def test_what_nobody_reported_is_not_zero() -> None:
    total = sum_tokens([Tokens(input=1), Tokens(input=2, output=0), NO_TOKENS])

    assert total == Tokens(input=3, output=0)


def test_one_estimate_makes_the_sum_an_estimate() -> None:
    assert sum_tokens([Tokens(estimated=True), NO_TOKENS]).estimated


def test_no_parts_add_up_to_nothing() -> None:
    assert sum_tokens([]) == NO_TOKENS
