"""Problem documents: how every refusal reads."""

from pydantic import ConfigDict, Field

from gateway.inbound.resources.resource import Resource


class ProblemDetail(Resource):
    """One problem of a request."""

    path: str = Field(
        description="Where it is, such as `manifest.tasks[2].grader`; empty: the body."
    )
    message: str = Field(description="One sentence for people.")
    reason: str = Field(description="Stable word for programs.")


class ErrorObject(Resource):
    """The error as the REST contract words it."""

    message: str
    type: str = Field(description="Coarse class, such as `invalid_request_error`.")
    code: int = Field(description="The HTTP status again.")
    reason: str = Field(description="Stable word for programs.")
    param: str | None = Field(description="The offending field of the request.")
    details: list[ProblemDetail] | None = Field(
        description="Every problem, when there are several."
    )


class Problem(Resource):
    """A refusal, readable as the contract's error envelope and as an RFC 9457 problem document."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "error": {
                    "message": 'models names "model-a" more than once',
                    "type": "invalid_request_error",
                    "code": 400,
                    "reason": "duplicate_models",
                    "param": "models",
                    "details": [
                        {
                            "path": "models",
                            "message": 'models names "model-a" more than once',
                            "reason": "duplicate_models",
                        }
                    ],
                },
                "type": "urn:proctor:problem:duplicate_models",
                "title": "Duplicate models",
                "status": 400,
                "detail": 'models names "model-a" more than once',
                "instance": "urn:proctor:request:req_0123456789abcdef0123456789abcdef",
                "reason": "duplicate_models",
                "request_id": "req_0123456789abcdef0123456789abcdef",
                "errors": [
                    {
                        "path": "models",
                        "message": 'models names "model-a" more than once',
                        "reason": "duplicate_models",
                    }
                ],
            }
        }
    )

    error: ErrorObject
    type: str = Field(description="URN of the kind of problem.")
    title: str
    status: int
    detail: str
    instance: str = Field(description="URN of this request.")
    reason: str
    request_id: str
    errors: list[ProblemDetail]
