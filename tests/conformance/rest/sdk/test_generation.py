"""What a sample keeps of its model's answer, through the published client."""

from datetime import datetime
from typing import Any

from e2e import work
from e2e.stack import Stack

REASONING = "I thought about it."  # what the mock upstream tells of `thinking`


def _only_sample(stack: Stack, *, text: str, model: str, generation: Any = None) -> list[Any]:
    """The sample as lists show it, and with everything that they leave out unless asked."""
    with stack.sdk() as sdk:
        file_id = work.upload_rows(sdk, [{"question": text, "answer": "x"}])
        suite_id = work.create_suite(sdk, work.task(file_id))
        run = sdk.llm.evals.create_run(
            suite_id=suite_id, models=[model], generation=generation or {}
        )
        assert work.wait(sdk, run.id).status == "completed"
        (plain,) = work.samples(sdk, run.id)
        (full,) = work.samples(sdk, run.id, include_reasoning=True, include_dataset_row=False)
    return [plain, full]


def test_reasoning_is_kept_apart_and_shown_when_asked_for(stack: Stack) -> None:
    plain, full = _only_sample(stack, text="say:x", model="thinking")

    assert (plain.reasoning, full.reasoning) == (None, REASONING)
    assert (plain.output_text, plain.scores) == ("x", {"score": 1})
    assert (plain.dataset_row["answer"], full.dataset_row) == ("x", None)


def test_usage_identity_and_times_of_the_call_are_kept(stack: Stack) -> None:
    sample, _ = _only_sample(stack, text="say:x", model="adder")

    assert sample.response_id.startswith("resp_")
    assert (sample.input_tokens, sample.output_tokens, sample.cached_tokens) == (1, 1, 0)
    assert sample.tokens_estimated is False
    timing = sample.phase_timings["generation"]
    begun, ended = timing["started_at"], timing["finished_at"]
    assert datetime.fromisoformat(begun) <= datetime.fromisoformat(ended)


def test_text_ends_before_the_first_stop_sequence_whatever_the_provider_does(
    stack: Stack,
) -> None:
    stops = {"until": ["\n\n", "END"], "stop": "<|end|>", "temperature": 0}
    sample, _ = _only_sample(stack, text="say:x<|end|> y END", model="adder", generation=stops)

    assert sample.output_text == "x"
    assert sample.scores == {"score": 1}
