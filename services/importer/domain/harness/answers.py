"""What a row says of prompt, expected answer and output, in the harness' layouts and in plain."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import orjson

_PROMPTS = ("prompt", "input", "question")
_OUTPUTS = ("output", "response", "prediction")
_PAIR = 2  # a log-probability, and whether the text was the likeliest


class Answer(NamedTuple):
    """What the model said, and what was made of it."""

    output_text: str | None
    extracted: str | None


def calls_of(row: Mapping[str, object]) -> list[Sequence[object]]:
    """Return the arguments of each call to the model: a mapping now, a list of lists in old files.

    The first is the prompt, the second the continuation or the generation settings.
    """
    arguments = row.get("arguments")
    if isinstance(arguments, dict):
        arguments = [arguments.get(f"gen_args_{number}") for number in range(len(arguments))]
    if not isinstance(arguments, list):
        return []
    return [_call(call) for call in arguments]


def has_choices(row: Mapping[str, object]) -> bool:
    """Tell whether a row has more than one call to the model."""
    arguments = row.get("arguments")
    return isinstance(arguments, dict | list) and len(arguments) > 1


def prompt_of(row: Mapping[str, object], calls: Sequence[Sequence[object]]) -> str:
    """Return the prompt as text; empty when there is none."""
    if calls and calls[0]:
        return _as_prompt(calls[0][0])
    return next((_as_prompt(row[name]) for name in _PROMPTS if name in row), "")


def text_of(value: object) -> str | None:
    """Return a value as text; None stays None."""
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


def answer_of(row: Mapping[str, object], calls: Sequence[Sequence[object]]) -> Answer:
    """Return what the model said: its text, or the choice it found the likeliest."""
    responses, filtered = row.get("resps"), row.get("filtered_resps")
    likelihoods = _likelihoods(filtered) or _likelihoods(responses)
    if likelihoods is not None:
        return _choice(likelihoods, calls)
    extracted = text_of(_unwrapped(_first(filtered))) if filtered else None
    output = _first(_first(responses))
    if output is None:
        output = next((row[name] for name in _OUTPUTS if row.get(name) is not None), None)
    return Answer(text_of(output), extracted)


def _choice(likelihoods: Sequence[float], calls: Sequence[Sequence[object]]) -> Answer:
    if len(likelihoods) == 1:  # how likely one text is: the model chose nothing
        return Answer(None, None)
    best = max(range(len(likelihoods)), key=likelihoods.__getitem__)
    text = calls[best][1] if best < len(calls) and len(calls[best]) > 1 else None
    return Answer(text.strip() if isinstance(text, str) else None, str(best))


def _likelihoods(responses: object) -> list[float] | None:
    """Return the log-probability of each call's text; None when the calls generated text."""
    if not isinstance(responses, list) or not responses:
        return None
    found: list[float] = []
    for response in responses:
        pair = response[0] if _holds_a_pair(response) else response
        if not _is_pair(pair):
            return None
        found.append(float(pair[0]))
    return found


def _holds_a_pair(response: object) -> bool:
    return isinstance(response, list) and len(response) == 1 and isinstance(response[0], list)


def _is_pair(value: object) -> bool:
    if not isinstance(value, list) or len(value) != _PAIR:
        return False
    if str(value[1]) not in ("True", "False"):
        return False
    try:
        float(value[0])
    except (TypeError, ValueError):
        return False
    return True


def _call(call: object) -> Sequence[object]:
    if isinstance(call, dict):
        return [call.get(f"arg_{number}") for number in range(len(call))]
    return call if isinstance(call, list) else []


def _as_prompt(value: object) -> str:
    value = _unwrapped(value)
    if isinstance(value, str) and value.lstrip().startswith("[{"):
        value = _messages_in(value)
    if isinstance(value, list) and value and all(_is_message(entry) for entry in value):
        return "\n".join(f"{entry['role']}: {_content(entry['content'])}" for entry in value)
    return text_of(value) or ""


def _messages_in(text: str) -> object:
    try:
        parsed: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    are_messages = isinstance(parsed, list) and all(_is_message(entry) for entry in parsed)
    return parsed if are_messages else text


def _is_message(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("role"), str) and "content" in entry


def _content(content: object) -> str:
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(part for part in parts if isinstance(part, str))
    return text_of(content) or ""


def _unwrapped(value: object) -> object:
    while isinstance(value, list) and len(value) == 1 and not isinstance(value[0], dict):
        value = value[0]
    return value


def _first(value: object) -> object:
    return value[0] if isinstance(value, list) and value else None
