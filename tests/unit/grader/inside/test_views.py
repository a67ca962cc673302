"""What graders see of a sample."""

from grader.inside.jobs import JsonObject, RunFacts, Sample
from grader.inside.views import item_of, sample_of

RUN: RunFacts = {"run_id": "run", "task_id": "task", "model": "candidate", "judge_model": "j"}


SAMPLE: Sample = {"id": "s", "sample_index": 3, "row": {"q": 1}, "prompt": "p", "target": "t"}


def test_a_sample_has_exactly_the_fields_of_the_contract() -> None:
    answered: Sample = {
        **SAMPLE,
        "output_text": '{"a": 1}',
        "response_id": "resp",
        "usage": {"input_tokens": 5},
    }

    assert sample_of(answered, RUN, "a") == {
        "extracted_output": "a",
        "output_text": '{"a": 1}',
        "output_json": {"a": 1},
        "id": "s",
        "run_id": "run",
        "task_id": "task",
        "model": "candidate",
        "sample_index": 3,
        "prompt": "p",
        "target": "t",
        "response_id": "resp",
        "dataset_row": {"q": 1},
        "status": "scoring",
        "usage": {
            "input_tokens": 5,
            "output_tokens": None,
            "cached_tokens": None,
            "reasoning_tokens": None,
        },
    }


def test_what_is_unknown_is_none() -> None:
    view = sample_of({"id": "s", "sample_index": 0, "row": {}, "prompt": ""}, RUN, None)

    assert (view["output_text"], view["output_json"], view["target"]) == (None, None, None)


def test_an_item_has_the_columns_the_target_and_the_choices() -> None:
    assert item_of({**SAMPLE, "choices": ["a", "b"]}) == {
        "q": 1,
        "target": "t",
        "choices": ["a", "b"],
        "row": {"q": 1},
    }


def test_the_rendered_target_replaces_a_column_of_that_name() -> None:
    row: JsonObject = {"target": "raw", "row": "odd"}

    assert item_of({**SAMPLE, "row": row}) == {"target": "t", "choices": None, "row": row}


def test_a_column_called_choices_stays() -> None:
    choosing: Sample = {**SAMPLE, "row": {"choices": "mine"}, "choices": ["a", "b"]}

    assert item_of(choosing)["choices"] == "mine"
