"""The REST application: all collections, one way to refuse, one description."""

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp

from gateway.inbound.agents.trajectory_body import TrajectoryBody
from gateway.inbound.agents.trial_body import AppendAgentTrialsBody, ImportAgentRunBody
from gateway.inbound.boards.routes import MeasureTokensBody
from gateway.inbound.history.body import ImportHistoryBody
from gateway.inbound.resources.problems import Problem
from gateway.inbound.rest.documentation import OPENAPI_URL, document, mount_page
from gateway.inbound.rest.problems import HANDLERS
from gateway.inbound.rest.requests import RequestFrame
from gateway.inbound.run_body import CreateRunBody
from gateway.inbound.schedules.body import CreateScheduleBody, UpdateScheduleBody
from gateway.inbound.shares.routes import CreateSuiteShareBody
from gateway.inbound.suites import CreateSuiteBody, CreateSuiteVersionBody
from manifest.generation import GenerationSettings
from manifest.schema import Manifest

_DESCRIPTION = """\
Evaluations of language models: upload datasets and graders, describe what is tested in suites, run
them against models, read samples, metrics and artifacts.

Every success is 200. Every refusal carries the contract's `error` object and the members of an RFC
9457 problem document. Lists are pages; ask for the next one with `after=<last_id>`. Every answer
carries `x-request-id`.
"""
_TAGS = [
    {"name": "files", "description": "Datasets, graders and artifacts."},
    {"name": "suites", "description": "What is tested: named series of immutable manifests."},
    {"name": "runs", "description": "Executions of a suite version against models."},
    {"name": "agents", "description": "Runs of agents that happened elsewhere, recorded."},
    {"name": "imports", "description": "Results of evaluations that happened elsewhere."},
    {"name": "schedules", "description": "Runs that start by the clock."},
    {"name": "samples", "description": "Single rows answered by single models."},
    {"name": "leaderboards", "description": "What runs and suites add up to, for comparing."},
]


def rest_application(routers: Sequence[APIRouter], *, version: str) -> ASGIApp:
    """The application that serves `routers`, its OpenAPI document and its documentation page."""
    app = FastAPI(
        title="Proctor",
        version=version,
        description=_DESCRIPTION,
        openapi_tags=_TAGS,
        openapi_url=OPENAPI_URL,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers=HANDLERS,
    )
    for router in routers:
        app.include_router(router)
    document(
        app,
        models=(
            Problem,
            CreateSuiteBody,
            CreateSuiteVersionBody,
            CreateSuiteShareBody,
            CreateRunBody,
            CreateScheduleBody,
            UpdateScheduleBody,
            ImportHistoryBody,
            ImportAgentRunBody,
            AppendAgentTrialsBody,
            TrajectoryBody,
            MeasureTokensBody,
            Manifest,
            GenerationSettings,
        ),
        links={
            "CreateSuiteBody.manifest": "Manifest",
            "CreateSuiteVersionBody.manifest": "Manifest",
            "CreateRunBody.generation": "GenerationSettings",
            "ScheduleRunBody.generation": "GenerationSettings",
        },
    )
    mount_page(app)
    # `app.routes` has one entry for a whole router, which does not tell the methods of a path.
    app.state.all_routes = [*app.routes, *(route for router in routers for route in router.routes)]
    return RequestFrame(app)
