"""Whole numbers up to 64 bits are the same for all who touch them, from upload to reader."""

from e2e.stack import Stack
from e2e.work import create_suite, samples, task, upload_rows, wait

LARGEST, SMALLEST = 2**64 - 1, -(2**63)
SOURCE = f"""
def grade(sample, item):
    assert item["number"] == {LARGEST}
    return {{"score": 1.0, "details": {{"all": [item["number"], {SMALLEST}, 2**63]}}}}
"""


def test_the_largest_numbers_reach_the_grader_and_come_back_digit_by_digit(stack: Stack) -> None:
    with stack.sdk() as sdk:
        row = {"question": "1+1", "answer": "2", "number": LARGEST}
        suite_id = create_suite(sdk, task(upload_rows(sdk, [row]), source=SOURCE))

        run = wait(sdk, sdk.llm.evals.create_run(suite_id=suite_id, models=["adder"]).id)

        (sample,) = samples(sdk, run.id)
        assert sample.error is None
        assert sample.judge["details"] == {"all": [LARGEST, SMALLEST, 2**63]}
