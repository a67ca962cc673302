from orchestrator.domain.token_estimates import GroupTokens, estimated, with_tokens
from orchestrator.domain.tokens import NO_TOKENS, Tokens

BLOCK = {"score": 0.5, "metrics": {"score": {"value": 0.5}}, "tokens": {"input": None}}


def test_a_samples_output_contains_its_reasoning() -> None:
    tokens = estimated(prompt=5, output_text=3, reasoning=2)

    assert tokens == Tokens(input=5, output=5, reasoning=2, estimated=True)


def test_a_text_that_is_not_there_has_no_figure() -> None:
    assert estimated(prompt=0, output_text=3, reasoning=0) == Tokens(output=3, estimated=True)


def test_every_block_gets_its_sums_and_keeps_everything_else() -> None:
    metrics = {
        "by_model": {"a": BLOCK, "b": BLOCK},
        "by_task": {"one": {"a": BLOCK, "b": BLOCK}, "two": {"a": BLOCK}},
        "further": 1,
    }
    groups = [
        GroupTokens(task_id="one", model="a", tokens=Tokens(input=1, output=2, estimated=True)),
        GroupTokens(task_id="one", model="b", tokens=NO_TOKENS),
        GroupTokens(task_id="two", model="a", tokens=Tokens(input=10, cached=4)),
    ]

    found = with_tokens(metrics, groups)

    def block(**tokens: object) -> dict[str, object]:
        nothing = {"input": None, "output": None, "cached": None, "reasoning": None}
        return BLOCK | {"tokens": nothing | {"estimated": False} | tokens}

    assert found == {
        "by_model": {"a": block(input=11, output=2, cached=4, estimated=True), "b": block()},
        "by_task": {
            "one": {"a": block(input=1, output=2, estimated=True), "b": block()},
            "two": {"a": block(input=10, cached=4)},
        },
        "further": 1,
    }
