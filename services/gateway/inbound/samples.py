"""The collection /evals/runs/{run_id}/samples."""

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from gateway.domain.scopes import Scope
from gateway.inbound.resources.samples import (
    SampleList,
    SampleStatusFilter,
    sample_object,
    sample_states,
)
from gateway.inbound.rest.access import Access, CurrentCaller
from gateway.inbound.rest.asking import ask
from gateway.inbound.rest.operations import Operation, router_of
from gateway.inbound.rest.paging import (
    SAMPLE_LIMIT_DEFAULT,
    After,
    SampleLimit,
    page_request,
)
from proctor.runs.v1 import run_service_pb2 as pb
from servicekit.errors import Kind, ServiceError

if TYPE_CHECKING:  # these classes are in the stubs only
    from proctor.runs.v1.run_service_pb2_grpc import RunServiceAsyncStub

INDICES_MAX = 500
_INDEX_DIGITS_MAX = 10
_INT32_MAX = 2**31 - 1


class SampleIndexInvalid(ServiceError):
    """The filter by index is not a list of non-negative whole numbers."""

    kind = Kind.INVALID_ARGUMENT
    reason = "INVALID_PARAMETER"


Bound = Annotated[float | None, Field(allow_inf_nan=False, description="Inclusive.")]


class SampleFilters(BaseModel):
    """The query parameters of the operation."""

    after: After = None
    limit: SampleLimit = SAMPLE_LIMIT_DEFAULT
    task_id: str | None = Field(default=None, max_length=255)
    model: str | None = Field(default=None, max_length=255)
    status: SampleStatusFilter | None = None
    score_metric: str | None = Field(
        default=None, max_length=255, description="Key in `scores`; default `score`."
    )
    score_min: Bound = None
    score_max: Bound = None
    include_dataset_row: bool = True
    include_reasoning: bool = False
    sample_index: str | None = Field(
        default=None,
        max_length=INDICES_MAX * (_INDEX_DIGITS_MAX + 1),
        description="One index, or several separated by commas.",
        json_schema_extra={"pattern": r"^ *[0-9]{1,10} *(, *[0-9]{1,10} *){0,499}$"},
    )


class SampleRoutes:
    """Operations on samples, answered by the run service."""

    def __init__(self, runs: "RunServiceAsyncStub", access: Access) -> None:
        self._runs = runs
        self._access = access

    def router(self) -> APIRouter:
        """The routes with their documentation."""
        operations = (
            Operation(
                id="listEvalSamples",
                method="GET",
                path="/evals/runs/{run_id}/samples",
                endpoint=self.list_samples,
                scope=Scope.READ_EVALS,
                answer=SampleList,
                errors=(404,),
            ),
        )
        return router_of("samples", operations, self._access)

    async def list_samples(
        self, caller: CurrentCaller, run_id: str, filters: Annotated[SampleFilters, Query()]
    ) -> SampleList:
        """List a run's samples by task, model and index.

        Inline `data:` blobs of a dataset row are redacted.
        """
        question = pb.ListSamplesRequest(
            run_id=run_id,
            page=page_request(filters.after, filters.limit),
            task_id=filters.task_id or "",
            model=filters.model or "",
            states=sample_states(filters.status) if filters.status else (),
            score_metric=filters.score_metric or "",
            score_min=filters.score_min,
            score_max=filters.score_max,
            sample_indices=_indices(filters.sample_index),
            omit_dataset_rows=not filters.include_dataset_row,
            include_reasoning=filters.include_reasoning,
        )
        answer = await ask(caller, self._runs.ListSamples, question)
        samples = [sample_object(sample) for sample in answer.samples]
        return SampleList.of(samples, has_more=answer.page.has_more)


def _indices(text: str | None) -> list[int]:
    if text is None:
        return []
    words = [word.strip() for word in text.split(",")]
    plain = all(
        word.isascii() and word.isdecimal() and len(word) <= _INDEX_DIGITS_MAX for word in words
    )
    if not plain or len(words) > INDICES_MAX or any(int(word) > _INT32_MAX for word in words):
        raise SampleIndexInvalid(
            f"sample_index takes one index, or at most {INDICES_MAX} separated by commas",
            param="sample_index",
        )
    return [int(word) for word in words]
