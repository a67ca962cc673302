"""Second opinion: 1 when a judge model, asked the same question, gets the same number, else 0.

Shows how a grader asks a model: `auto` is the judge model that the run names (--judge-model). The
call goes through Proctor's bridge: this code has no network and never sees a key. A judge is only
as good as its model.
"""

import re


def grade(sample: dict, item: dict, ctx) -> dict:
    """Score one sample and keep what the judge said."""
    answer = ctx.responses_create(
        model="auto",
        input=f"What is {item['question']}? Write only the equation.",
        temperature=0,
        max_output_tokens=12,
    )
    found = re.search(r"=\s*(-?\d+)", answer["output_text"])
    opinion = found.group(1) if found else None
    return {
        "score": opinion is not None and opinion == sample["extracted_output"],
        "judge": {"said": answer["output_text"], "number": opinion},
    }
