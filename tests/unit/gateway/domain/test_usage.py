from gateway.domain.usage import ModelUsage, TokenCounts


def test_calls_and_tokens_add_up_and_what_nobody_reported_stays_unknown() -> None:
    one = ModelUsage(calls=1, tokens=TokenCounts(input_tokens=3, output_tokens=1))
    other = ModelUsage(calls=2, tokens=TokenCounts(input_tokens=4, cached_tokens=0))

    assert one.plus(other) == ModelUsage(
        calls=3, tokens=TokenCounts(input_tokens=7, output_tokens=1, cached_tokens=0)
    )
