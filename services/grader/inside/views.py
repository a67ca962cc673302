"""What a grader sees of a sample: `sample` and `item`."""

from grader.inside.jobs import JsonObject, RunFacts, Sample
from grader.inside.jsonvalues import Json, parsed_json

_TOKENS = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")


def sample_of(sample: Sample, run: RunFacts, extracted_output: str | None) -> JsonObject:
    """Return the sample as graders get it; never with the model's reasoning."""
    output_text = sample.get("output_text")
    usage = sample.get("usage") or {}
    tokens: JsonObject = {name: usage.get(name) for name in _TOKENS}
    return {
        "extracted_output": extracted_output,
        "output_text": output_text,
        "output_json": parsed_json(output_text),
        "id": sample["id"],
        "run_id": run["run_id"],
        "task_id": run["task_id"],
        "model": run["model"],
        "sample_index": sample["sample_index"],
        "prompt": sample["prompt"],
        "target": sample.get("target"),
        "response_id": sample.get("response_id"),
        "dataset_row": sample["row"],
        "status": "scoring",
        "usage": tokens,
    }


def item_of(sample: Sample) -> JsonObject:
    """Return the columns of the row with the rendered target and the choices; `row` has them all.

    The rendered target takes the place of a column `target`; a column `choices` stays.
    """
    row = sample["row"]
    choices: Json = None
    if (texts := sample.get("choices")) is not None:
        choices = list(texts)
    return {"choices": choices, **row, "target": sample.get("target"), "row": row}
