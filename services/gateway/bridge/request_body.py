"""The body of a call as its caller sent it: size, JSON shape and model."""

from typing import Any

import orjson

from gateway.bridge.call import ModelCall, Purpose, invalid_request

GRADER_BODY_BYTES = 1024 * 1024  # written by a tenant's program
CANDIDATE_BODY_BYTES = 8 * 1024 * 1024  # a prompt with pictures
MODEL_CHARS_MAX = 256


def read_body(call: ModelCall) -> dict[str, Any]:
    """Return the call's body, a JSON object whose `model` is a string.

    Raises:
        CallFailed: `invalid_request`, saying what is wrong.
    """
    limit = GRADER_BODY_BYTES if call.purpose is Purpose.GRADER else CANDIDATE_BODY_BYTES
    if len(call.body_json) > limit:
        raise invalid_request(f"the request body is larger than {limit} bytes")
    try:
        body = orjson.loads(call.body_json)
    except orjson.JSONDecodeError as error:
        raise invalid_request(f"the request body is not JSON: {error.msg}") from error
    if not isinstance(body, dict):
        raise invalid_request("the request body must be a JSON object")
    model = body.get("model")
    if not isinstance(model, str) or not 0 < len(model) <= MODEL_CHARS_MAX:
        raise invalid_request(f"model must be a string of 1 to {MODEL_CHARS_MAX} characters")
    return body
