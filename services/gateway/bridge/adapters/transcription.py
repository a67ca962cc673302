"""Transcriptions: a recording to an upstream, its text back."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from gateway.bridge.call import Answer, AnswerStatus, CallFailed, invalid_request
from gateway.bridge.catalogue import Route
from gateway.bridge.response_reading import error_in, read_usage, response_id
from gateway.bridge.sending import Sent
from gateway.bridge.speech.form import form_of
from gateway.bridge.speech.recording import Recording

_FIELDS = ("language", "prompt", "temperature")


def transcription_request(body: Mapping[str, object], route: Route, recording: Recording) -> Sent:
    """Return what an upstream is sent for a recording.

    One that speaks Responses takes the model and the like in the address and only the file in the
    form; the others take all of it in the form, as OpenAI does.

    Raises:
        CallFailed: `invalid_request`, naming a field that is no text or number.
    """
    fields = {"model": route.upstream_model}
    for name in _FIELDS:
        if body.get(name) is not None:
            fields[name] = _written(name, body[name])
    fields |= {name: _written(name, value) for name, value in route.extra_body.items()}
    if route.api == "responses":
        content_type, form = form_of(recording, {})
        path = f"{route.transcription_path}?{urlencode(fields)}"
    else:
        content_type, form = form_of(recording, {**fields, "response_format": "json"})
        path = route.transcription_path
    return Sent(path=path, body=form, content_type=content_type)


def read_transcription(answer: Mapping[str, Any]) -> Answer:
    """Return what a transcription says; a silent recording has an empty text.

    Raises:
        CallFailed: `model_error`, there is no text in it.
    """
    text = answer.get("text")
    if not isinstance(text, str):
        raise CallFailed("model_error", f"the upstream sent no transcription{error_in(answer)}")
    return Answer(
        status=AnswerStatus.COMPLETED,
        output_text=text,
        response_id=response_id(answer),
        tokens=read_usage(answer.get("usage")),
        body=answer,
    )


def _written(name: str, value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
    raise invalid_request(f"{name} cannot be part of a transcription request")
