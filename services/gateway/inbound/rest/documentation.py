"""The OpenAPI document and the page that shows it, without anything from other hosts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles

OPENAPI_URL = "/openapi.json"
DOCS_URL = "/docs"
ASSETS_URL = "/docs/assets"
_BOUNDS = {"ge": "minimum", "le": "maximum"}
_REF = "#/components/schemas/{model}"
# The browser itself refuses whatever is not from here; Swagger UI needs inline styles and its
# inline start script.
_PAGE_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; "
    "script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
)


def document(app: FastAPI, *, models: Sequence[type[BaseModel]], links: dict[str, str]) -> None:
    """Make `app` describe itself, request bodies and problems included.

    Args:
        app: The application with all its routes.
        models: Models that routes and links refer to by name: problems, request bodies.
        links: Members described by another model, such as `CreateRunBody.generation` ->
            `GenerationSettings`.
    """

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app, models, links)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way to extend it


def mount_page(app: FastAPI) -> None:
    """Add the documentation page, its assets, and the way there from `/`."""
    assets = Path(fastapi_offline.__file__).parent / "static"
    app.mount(ASSETS_URL, StaticFiles(directory=assets), name="docs-assets")

    async def page(request: Request) -> Response:
        del request
        html = get_swagger_ui_html(
            openapi_url=OPENAPI_URL,
            title=app.title,
            swagger_js_url=f"{ASSETS_URL}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS_URL}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS_URL}/favicon.png",
            # Without this, Swagger UI sends the document to a validator of its makers.
            swagger_ui_parameters={"validatorUrl": None},
        )
        html.headers["content-security-policy"] = _PAGE_POLICY
        return html

    async def front_door() -> Response:
        return RedirectResponse(DOCS_URL)

    app.add_api_route(DOCS_URL, page, include_in_schema=False)
    app.add_api_route("/", front_door, include_in_schema=False)


def _described(
    app: FastAPI, models: Sequence[type[BaseModel]], links: dict[str, str]
) -> dict[str, Any]:
    described = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
    )
    schemas = described["components"]["schemas"]
    for model in models:
        schema = model.model_json_schema(ref_template=_REF)
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    for member, target in links.items():
        owner, _, name = member.partition(".")
        schemas[owner]["properties"][name] = {"$ref": _REF.format(model=target)}
    worded: dict[str, Any] = _in_words_of_json_schema(described)
    return worded


def _in_words_of_json_schema(node: Any) -> Any:
    # Pydantic writes bounds that stand behind a validator of ours under its own names.
    if isinstance(node, dict):
        return {_BOUNDS.get(k, k): _in_words_of_json_schema(v) for k, v in node.items()}
    if isinstance(node, list):
        return [_in_words_of_json_schema(entry) for entry in node]
    return node
