"""Files as lm-evaluation-harness writes them, for a hub."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

Row = dict[str, Any]

MOMENT = "2026-03-01T10-20-30.123456"


def jsonl(rows: Iterable[object]) -> bytes:
    """One JSON value a line, as the harness writes them."""
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def choice(doc_id: int, likeliest: int, target: int, **changes: Any) -> Row:
    """A row of a multiple-choice task, in the layout of today."""
    likelihoods = ["-1.5" if number == likeliest else "-9.25" for number in range(3)]
    right = float(likeliest == target)
    return {
        "doc_id": doc_id,
        "doc": {"question": f"question {doc_id}", "choices": ["red", "green", "blue"]},
        "target": str(target),
        "arguments": {
            f"gen_args_{number}": {"arg_0": f"Q: question {doc_id}\nA:", "arg_1": f" {colour}"}
            for number, colour in enumerate(("red", "green", "blue"))
        },
        "resps": [[[likelihood, "False"]] for likelihood in likelihoods],
        "filtered_resps": [[likelihood, "False"] for likelihood in likelihoods],
        "filter": "none",
        "metrics": ["acc", "acc_norm"],
        "doc_hash": "d" * 64,
        "prompt_hash": "p" * 64,
        "target_hash": "t" * 64,
        "acc": right,
        "acc_norm": right,
        **changes,
    }


def generation(doc_id: int, text: str, target: str, **changes: Any) -> Row:
    """A row of a generation task, in the layout of today."""
    return {
        "doc_id": doc_id,
        "doc": {"question": f"what is {doc_id}?"},
        "target": target,
        "arguments": {
            "gen_args_0": {
                "arg_0": f"Question: what is {doc_id}?\nAnswer:",
                "arg_1": {"until": ["\n"], "do_sample": False, "temperature": 0.0},
            }
        },
        "resps": [[f"It is {text}."]],
        "filtered_resps": [text],
        "filter": "none",
        "metrics": ["exact_match"],
        "exact_match": float(text == target),
        **changes,
    }


def simplified(number: int, score: float, **changes: Any) -> Row:
    """A row without the harness' own fields."""
    return {
        "prompt": f"say {number}",
        "output": str(number),
        "target": str(number),
        "score": score,
        **changes,
    }


def results(model: str, **changes: Any) -> bytes:
    """An aggregated file; its numbers are wrong on purpose, as nobody is to read them."""
    document: Mapping[str, Any] = {
        "results": {"colours": {"acc,none": 0.123}},
        "higher_is_better": {"wers": {"wer": False}},
        "config": {"model": "hf", "model_args": f"pretrained={model},dtype=float16"},
        "model_name": model,
        "date": 1772360430.5,
        **changes,
    }
    return json.dumps(document).encode()
