"""Exact match: 1 when the number that was cut out of the answer is the expected one, else 0."""


def grade(sample: dict, item: dict) -> bool:
    """Score one sample.

    `sample["extracted_output"]` is what `output_extraction` made of the model's text (None when it
    found nothing), `item["target"]` is the rendered `target_template`.
    """
    return sample["extracted_output"] == item["target"]
