"""Suites that a person names, or that a file stands in."""

import json
from http import HTTPStatus

from cli.errors import ApiError, CliError
from cli.server.api import Api
from cli.server.resources import Suite
from cli.views.tables import created


async def find_suite(api: Api, id_or_name: str) -> Suite:
    """Return the suite with this id, else the only one with this name.

    The team's own come first: no other organisation can take a name away by sharing.

    Raises:
        CliError: there is none, or several have the name.
    """
    if id_or_name.startswith("eval_suite_"):
        return Suite.of(await api.get(f"/evals/suites/{id_or_name}"))
    suites = [Suite.of(entry) async for entry in api.entries("/evals/suites", {"limit": 100})]
    named = [suite for suite in suites if suite.name == id_or_name]
    found = [suite for suite in named if suite.access == "owner"] or named
    if not found:
        raise CliError(f"There is no suite with the id or name {id_or_name}.")
    if len(found) > 1:
        raise CliError(
            f"{len(found)} suites are named {id_or_name}; give the id of one, newest first:",
            details=[f"{suite.id}  created {created(suite)}" for suite in found],
        )
    return found[0]


async def suites_using(api: Api, file_id: str) -> list[Suite]:
    """Return the team's suites whose active version names a file.

    None when the key may not see suites.
    """
    found = []
    try:
        async for entry in api.entries("/evals/suites", {"limit": 100, "owned_only": True}):
            suite = Suite.of(entry)
            path = f"/evals/suites/{suite.id}/versions/{suite.active_version}"
            if f'"file_id": "{file_id}"' in json.dumps((await api.get(path)).get("manifest")):
                found.append(suite)
    except ApiError as error:
        if error.status != HTTPStatus.FORBIDDEN:
            raise
    return found
